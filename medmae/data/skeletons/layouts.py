"""Which joints a recording has, in which order: names, bones, sides and root of each layout that is known.

Joints of one name are the same place of the body in every layout, so that one layout becomes another by names and never
by numbers. Sources: Kinect SDK 1 and 2 (NTU RGB+D), the MSR Action3D page, COCO, OpenPose's and MediaPipe's
documentation, Human3.6M.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medmae.errors import DataError

_CENTRES = ("spine_mid", "spine_base", "neck")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The joints of one body.

    Attributes:
        name: Of the layout.
        joints: V names in order; ``left_`` and ``right_`` say whose side, seen from the person.
        bones: Joint and the one it hangs on, by number.
        root: Where the body hangs: a name.

    Raises:
        ValueError: If names repeat, or bones are no tree over these joints.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    root: str

    def __post_init__(self) -> None:
        if len(set(self.joints)) != len(self.joints):
            raise ValueError(f"layout {self.name} has two joints of one name")
        children = [child for child, _ in self.bones]
        if self.root not in self.joints or len(set(children)) != len(children):
            raise ValueError(f"layout {self.name}: no root {self.root!r}, or a joint that hangs on two")
        if any(not 0 <= end < len(self.joints) for bone in self.bones for end in bone):
            raise ValueError(f"layout {self.name} has bones to joints that it does not have: {self.bones}")

    @classmethod
    def of(cls, name: str, joints: str | Sequence[str], hangs_on: Mapping[str, str], *, root: str) -> Layout:
        """By names: each joint and the one it hangs on."""
        names = tuple(joints.split() if isinstance(joints, str) else joints)
        if unknown := {*hangs_on, *hangs_on.values(), root} - set(names):
            raise ValueError(f"layout {name}: bones name joints that there are not: {', '.join(sorted(unknown))}")
        bones = tuple((names.index(child), names.index(parent)) for child, parent in hangs_on.items())
        return cls(name=name, joints=names, bones=bones, root=root)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Numbers of left joints and of the right ones that mirror them."""
        place = {name: number for number, name in enumerate(self.joints)}
        sides = ((name, name.replace("left_", "right_", 1)) for name in self.joints if name.startswith("left_"))
        return tuple((place[left], place[right]) for left, right in sides if right in place)

    @property
    def mirrored(self) -> tuple[int, ...]:
        """Which joint stands in the place of each in a mirror."""
        order = list(range(len(self.joints)))
        for left, right in self.pairs:
            order[left], order[right] = right, left
        return tuple(order)

    @property
    def root_number(self) -> int:
        """Of the root."""
        return self.joints.index(self.root)

    @property
    def centre_number(self) -> int:
        """Of the joint that is the origin: the middle of the spine (published), or what is nearest to it."""
        return self.joints.index(next((name for name in _CENTRES if name in self.joints), self.root))

    @property
    def parts(self) -> tuple[tuple[int, ...], ...]:
        """Joints of trunk and head, of either arm and of either leg; empty parts are left out."""
        words = ("shoulder", "elbow", "wrist", "hand", "thumb", "finger", "pinky", "index")
        legs = ("hip", "knee", "ankle", "foot", "toe", "heel")
        found: dict[str, list[int]] = {}
        for number, name in enumerate(self.joints):
            side, _, rest = name.partition("_")
            limb = "arm" if any(map(rest.startswith, words)) else "leg" if any(map(rest.startswith, legs)) else ""
            found.setdefault(f"{side} {limb}" if side in ("left", "right") and limb else "trunk", []).append(number)
        return tuple(tuple(numbers) for numbers in found.values())

    def order_of(self, names: Sequence[str]) -> list[int]:
        """Where the joints of this layout stand among others' names.

        Raises:
            DataError: If one of them is not there.
        """
        if absent := [name for name in self.joints if name not in names]:
            raise DataError(
                f"layout {self.name} needs {len(self.joints)} joints, and {len(absent)} of them are not there",
                field="joints",
                value=", ".join(absent),
                remedy="choose another layout; joints are known by their names, never by their numbers",
            )
        return [list(names).index(name) for name in self.joints]


def table_layout(joints: Sequence[str], bones: Iterable[Sequence[str]], *, name: str = "table") -> Layout:
    """A layout of one's own, of a table of bones: pairs of names, joint and the one it hangs on.

    The root is the joint that hangs on none.

    Raises:
        DataError: If bones name other joints, hang one joint on two, or leave none or several that hang on nothing.
    """
    pairs = [tuple(bone) for bone in bones]
    hangs_on = {bone[0]: bone[1] for bone in pairs if len(bone) == 2}
    tops = [joint for joint in joints if joint not in hangs_on]
    if len(hangs_on) != len(pairs) or len(tops) != 1 or _circles(hangs_on):
        raise DataError(
            "a table of bones names each joint but one, and the joint it hangs on: child, parent",
            field="bones",
            value=f"{len(pairs)} bones; hanging on nothing: {', '.join(tops) or 'none'}",
            remedy="correct the table: bones are a tree with one root",
        )
    try:
        return Layout.of(name, joints, hangs_on, root=tops[0])
    except ValueError as error:
        raise DataError(str(error), field="bones", value=pairs, remedy="spell joints as their table does") from error


def _circles(hangs_on: Mapping[str, str]) -> bool:
    for joint in hangs_on:
        seen = {joint}
        while (joint := hangs_on.get(joint, "")) and joint not in seen:
            seen.add(joint)
        if joint:
            return True
    return False


def _sides(*pairs: tuple[str, str]) -> dict[str, str]:
    """Bones of both sides; a parent that has no side is spelt with ``=``."""
    found = {}
    for side in ("left_", "right_"):
        for child, parent in pairs:
            found[side + child] = parent[1:] if parent.startswith("=") else side + parent
    return found


def _both(names: str) -> str:
    return " ".join(f"{side}_{name}" for side in ("left", "right") for name in names.split())


NTU_25 = Layout.of(
    "ntu25",
    "spine_base spine_mid neck head left_shoulder left_elbow left_wrist left_hand right_shoulder right_elbow "
    "right_wrist right_hand left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot "
    "spine_shoulder left_hand_tip left_thumb right_hand_tip right_thumb",
    {"spine_base": "spine_mid", "spine_mid": "spine_shoulder", "neck": "spine_shoulder", "head": "neck"}
    | _sides(("shoulder", "=spine_shoulder"), ("elbow", "shoulder"), ("wrist", "elbow"), ("hand", "wrist"))
    | _sides(("hip", "=spine_base"), ("knee", "hip"), ("ankle", "knee"), ("foot", "ankle"))
    | _sides(("hand_tip", "thumb"), ("thumb", "hand")),
    root="spine_shoulder",
)
_KINECT_V1 = (
    {"spine_mid": "spine_base", "spine_shoulder": "spine_mid", "head": "spine_shoulder"}
    | _sides(("shoulder", "=spine_shoulder"), ("elbow", "shoulder"), ("wrist", "elbow"), ("hand", "wrist"))
    | _sides(("hip", "=spine_base"), ("knee", "hip"), ("ankle", "knee"), ("foot", "ankle"))
)
KINECT_20 = Layout.of(
    "kinect20",
    "spine_base spine_mid spine_shoulder head left_shoulder left_elbow left_wrist left_hand right_shoulder right_elbow "
    "right_wrist right_hand left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot",
    _KINECT_V1,
    root="spine_base",
)
MSR_20 = Layout.of(
    "msr20",
    "left_shoulder right_shoulder spine_shoulder spine_mid left_hip right_hip spine_base left_elbow right_elbow "
    "left_wrist right_wrist left_hand right_hand left_knee right_knee left_ankle right_ankle left_foot right_foot head",
    _KINECT_V1,
    root="spine_base",
)
_COCO_BONES = (
    {"left_eye": "nose", "right_eye": "nose", "left_ear": "left_eye", "right_ear": "right_eye"}
    | _sides(("shoulder", "=nose"), ("elbow", "shoulder"), ("wrist", "elbow"))
    | _sides(("hip", "shoulder"), ("knee", "hip"), ("ankle", "knee"))
)
COCO_17 = Layout.of(
    "coco17",
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle",
    _COCO_BONES,
    root="nose",
)
_NECKED = {
    "nose": "neck",
    "left_eye": "nose",
    "right_eye": "nose",
    "left_ear": "left_eye",
    "right_ear": "right_eye",
} | _sides(("shoulder", "=neck"), ("elbow", "shoulder"), ("wrist", "elbow"), ("knee", "hip"), ("ankle", "knee"))
OPENPOSE_18 = Layout.of(
    "openpose18",
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee "
    "right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear",
    {**_NECKED, "left_hip": "neck", "right_hip": "neck"},
    root="neck",
)
OPENPOSE_25 = Layout.of(
    "openpose25",
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist spine_base right_hip "
    "right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear left_toe_big "
    "left_toe_small left_heel right_toe_big right_toe_small right_heel",
    _NECKED
    | {"spine_base": "neck"}
    | _sides(("hip", "=spine_base"), ("toe_big", "ankle"), ("toe_small", "toe_big"), ("heel", "ankle")),
    root="neck",
)
H36M_17 = Layout.of(
    "h36m17",
    "spine_base right_hip right_knee right_ankle left_hip left_knee left_ankle spine_mid spine_shoulder neck head "
    "left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist",
    {"spine_mid": "spine_base", "spine_shoulder": "spine_mid", "neck": "spine_shoulder", "head": "neck"}
    | _sides(("hip", "=spine_base"), ("knee", "hip"), ("ankle", "knee"))
    | _sides(("shoulder", "=spine_shoulder"), ("elbow", "shoulder"), ("wrist", "elbow")),
    root="spine_base",
)
MEDIAPIPE_33 = Layout.of(
    "mediapipe33",
    "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear "
    "left_mouth right_mouth left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist "
    "left_pinky right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee "
    "left_ankle right_ankle left_heel right_heel left_toe_big right_toe_big",
    _sides(("eye_inner", "=nose"), ("eye", "eye_inner"), ("eye_outer", "eye"), ("ear", "eye_outer"), ("mouth", "=nose"))
    | _sides(("shoulder", "=nose"), ("elbow", "shoulder"), ("wrist", "elbow"))
    | _sides(("pinky", "wrist"), ("index", "wrist"), ("thumb", "wrist"))
    | _sides(("hip", "shoulder"), ("knee", "hip"), ("ankle", "knee"), ("heel", "ankle"), ("toe_big", "ankle")),
    root="nose",
)
LAYOUTS: Mapping[str, Layout] = {
    each.name: each for each in (NTU_25, KINECT_20, MSR_20, COCO_17, OPENPOSE_18, OPENPOSE_25, H36M_17, MEDIAPIPE_33)
}
