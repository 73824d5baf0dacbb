"""Which landmarks of a face are neighbours: the 68 of iBUG 300-W, without the jaw line, as mpuc-mer joins them.

Numbers are those after the first 17, which are the jaw, have gone: brows 0 to 9, nose 10 to 18, eyes 19 to 30, outer
lips 31 to 42, inner lips 43 to 50.
"""

JAW = 17
FACE_EDGES = (
    *((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 7), (6, 7), (6, 8), (8, 9)),  # brows, joined above the nose
    *((0, 19), (9, 28)),  # brows to eyes
    *((10, 11), (11, 12), (12, 13), (13, 16), (10, 14), (14, 15), (15, 16), (16, 17), (17, 18), (10, 18)),  # nose
    *((10, 22), (10, 25), (16, 34)),  # nose to eyes and lips
    *((19, 20), (20, 21), (21, 22), (22, 23), (23, 24), (19, 24)),  # one eye
    *((25, 26), (26, 27), (27, 28), (28, 29), (29, 30), (25, 30)),  # the other
    *((19, 31), (28, 37)),  # eyes to corners of the mouth
    *((31, 32), (32, 33), (33, 34), (34, 35), (35, 36), (36, 37)),  # upper lip
    *((37, 38), (38, 39), (39, 40), (40, 41), (41, 42), (31, 42)),  # lower lip
    *((43, 44), (44, 45), (45, 46), (46, 47), (47, 48), (48, 49), (49, 50), (43, 50)),  # inner lips
    *((44, 50), (46, 48)),
    *((31, 43), (33, 44), (34, 45), (35, 46), (37, 47)),  # outer to inner lips
)
