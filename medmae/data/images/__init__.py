"""Images: folders, tables, arrays, DICOM, and data sets of them."""
