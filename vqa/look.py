"""CLEVR's look in numbers: linear RGB, fitted to real images by experiments/clevr_render.py."""

_PAINTS = [
    [0.34, 0.34, 0.34],
    [0.68, 0.14, 0.14],
    [0.16, 0.29, 0.84],
    [0.11, 0.41, 0.08],
    [0.51, 0.29, 0.10],
    [0.51, 0.15, 0.75],
    [0.16, 0.82, 0.82],
    [1.0, 0.93, 0.20],
]
LOOK: dict[str, list[float] | list[list[float]] | float] = {
    "floor": [0.8, 0.8, 0.8],
    "paints": _PAINTS + _PAINTS,
    "ambient": [0.14, 0.145, 0.14],
    "bounce": [0.05, 0.05, 0.05],
    "sky": [0.1, 0.1, 0.1],
    "lamp_places": [[6.447, -2.905, 4.258], [-4.671, -4.014, 3.011], [-1.169, 2.646, 5.816]],
    "lamps": [[7.0, 6.5, 5.8], [1.0, 1.0, 1.3], [3.3, 2.8, 3.2]],
    "lamp_radius": [0.5, 0.5, 0.5],
    "occlusion": 0.8,
    "rubber_gloss": 0.02,
    "rubber_width": 0.6,
    "metal_matte": 0.1,
    "metal_mirror": 0.8,
    "metal_gloss": 0.2,
    "metal_width": 0.15,
}
