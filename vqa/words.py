"""The words of CLEVR's questions: what each value and each relation can be called.

The first word of each is the plain one. A description is written size, color, material, noun;
the noun is the shape, or "thing" or "object" where the shape is left open.
"""

WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "size": {"large": ("large", "big"), "small": ("small", "tiny")},
    "color": {
        color: (color,)
        for color in ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow")
    },
    "material": {"rubber": ("rubber", "matte"), "metal": ("metal", "metallic", "shiny")},
    "shape": {"cube": ("cube", "block"), "sphere": ("sphere", "ball"), "cylinder": ("cylinder",)},
}
NOUNS: dict[str | None, tuple[str, ...]] = {None: ("thing", "object")}
NOUNS.update(WORDS["shape"])
RELATIONS: dict[str, tuple[str, ...]] = {
    "left": ("left of", "to the left of", "on the left side of"),
    "right": ("right of", "to the right of", "on the right side of"),
    "front": ("in front of",),
    "behind": ("behind",),
}
ADJECTIVES: dict[str, tuple[int, str]] = {
    word: (place, value)
    for place, attribute in enumerate(("size", "color", "material"))
    for value, words in WORDS[attribute].items()
    for word in words
}
