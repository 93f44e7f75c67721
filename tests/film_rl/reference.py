"""The FiLM-ed network once more, in numpy: loops over words and kernel cells, no torch.

`weights` is a state dict as arrays. Networks are in evaluation mode.
"""

import numpy as np

EPS = 1e-5  # of every norm


def part(weights, prefix):
    return {k[len(prefix) + 1 :]: v for k, v in weights.items() if k.startswith(prefix + ".")}


def relu(x):
    return np.where(x > 0, x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def linear(weights, x):
    return x @ weights["weight"].T + weights["bias"]


def per_cell(v):
    return v[..., :, None, None]


def film(x, gamma, beta):
    """Every entry by itself."""
    out = np.empty(x.shape, np.result_type(x, gamma, beta))
    for index in np.ndindex(*x.shape):
        out[index] = gamma[index[:2]] * x[index] + beta[index[:2]]
    return out


def conv(weights, x, stride=1, padding=0):
    w = weights["weight"]
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    rows = (x.shape[2] - w.shape[2]) // stride + 1
    columns = (x.shape[3] - w.shape[3]) // stride + 1
    out = np.zeros((len(x), len(w), rows, columns))
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride, j * stride
            patch = x[:, :, top : top + w.shape[2], left : left + w.shape[3]]
            out[:, :, i, j] = np.tensordot(patch, w, axes=([1, 2, 3], [1, 2, 3]))
    return out + per_cell(weights["bias"])


def normalise(weights, x, norm):
    if norm == "none":
        return x
    if norm == "batch":
        mean, var = per_cell(weights["running_mean"]), per_cell(weights["running_var"])
    else:
        mean, var = x.mean((1, 2, 3), keepdims=True), x.var((1, 2, 3), keepdims=True)
    x = (x - mean) / np.sqrt(var + EPS)
    return x * per_cell(weights["weight"]) + per_cell(weights["bias"]) if "weight" in weights else x


def with_coordinates(x):
    B, _, H, W = x.shape
    maps = np.empty((B, 2, H, W))
    for row in range(H):
        for column in range(W):
            maps[:, 0, row, column] = -1 + 2 * column / (W - 1)
            maps[:, 1, row, column] = -1 + 2 * row / (H - 1)
    return np.concatenate([x, maps], axis=1)


def gru_states(weights, words):
    """The state after each word of one sentence, (T, D)."""
    h = np.zeros(weights["weight_hh_l0"].shape[1])
    states = []
    for word in words:
        h = gru_step({name.removesuffix("_l0"): w for name, w in weights.items()}, word, h)
        states.append(h)
    return np.array(states)


def gru_step(weights, x, h):
    a = weights["weight_ih"] @ x + weights["bias_ih"]
    u = weights["weight_hh"] @ h + weights["bias_hh"]
    D = len(h)
    reset, update = sigmoid(a[:D] + u[:D]), sigmoid(a[D : 2 * D] + u[D : 2 * D])
    new = np.tanh(a[2 * D :] + reset * u[2 * D :])
    return (1 - update) * new + update * h


def encode(weights, sentence):
    """The condition z of one sentence, the ids of its words without padding."""
    words = weights["embedding.weight"][sentence]
    states = gru_states(part(weights, "gru"), words)
    z = states[-1]
    if "backward_gru.weight_ih_l0" in weights:
        back = gru_states(part(weights, "backward_gru"), words[::-1])
        z = np.concatenate([z, back[-1]])
        states = np.concatenate([states, back[::-1]], axis=1)
    if "query.weight" in weights:
        z = softmax(states @ linear(part(weights, "query"), z) / np.sqrt(len(z))) @ states
    return z


def generate(weights, z, num_features, gamma_fn=lambda gamma: gamma):
    """The (gamma, beta) of every block."""
    if "hidden.0.weight" in weights:
        z = relu(linear(part(weights, "hidden.0"), z))
    recurrent = "cell.weight_ih" in weights
    h = np.zeros((len(z), weights["cell.weight_hh"].shape[1])) if recurrent else z
    film_params, start = [], 0
    for C in num_features:
        if recurrent:
            h = np.stack(
                [gru_step(part(weights, "cell"), x, state) for x, state in zip(z, h, strict=True)]
            )
        out = linear(part(weights, "linear"), h)
        delta, beta = out[:, start : start + C], out[:, start + C : start + 2 * C]
        film_params.append((gamma_fn(1 + delta), beta))
        start += 2 * C
    return film_params


def block(weights, x, film_params, norm, placement, residual=True, coords=True, concat=False):
    """film_params is (gamma, beta), or None for a block without conditioning."""

    def modulate(place, y):
        return film(y, *film_params) if film_params and not concat and place == placement else y

    x = modulate("before_conv1", x)
    r = relu(conv(part(weights, "conv1"), with_coordinates(x) if coords else x))
    y = r
    if concat:
        tiled = [np.ones(r.shape) * per_cell(p) for p in film_params]
        y = np.concatenate([r, *tiled], axis=1)
    kernel_size = weights["conv2.weight"].shape[-1]
    y = modulate("after_conv2", conv(part(weights, "conv2"), y, padding=kernel_size // 2))
    y = modulate("after_norm", normalise(part(weights, "norm"), y, norm))
    y = modulate("after_relu2", relu(y))
    return modulate("after_residual", r + y if residual else y)


def grid_stem(weights, codes, num_values):
    table = weights["embedding.weight"]
    B, W, H, K = codes.shape
    out = np.zeros((B, table.shape[1], H, W))
    for b, x, y, k in np.ndindex(B, W, H, K):
        out[b, :, y, x] += table[sum(num_values[:k]) + codes[b, x, y, k]]
    layer = 0
    while f"layers.{layer}.weight" in weights:
        out = relu(conv(part(weights, f"layers.{layer}"), out))
        layer += 2
    return out


def conv_stem(weights, x, stride, padding):
    """Convolution, batch norm and ReLU, as often as there are weights."""
    layer = 0
    while f"layers.{layer}.weight" in weights:
        x = conv(part(weights, f"layers.{layer}"), x, stride, padding)
        x = relu(normalise(part(weights, f"layers.{layer + 1}"), x, "batch"))
        layer += 3
    return x
