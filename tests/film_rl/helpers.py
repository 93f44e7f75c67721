"""What the tests of blocks, stems and networks share."""


def lived_in(module):
    """The module in float64 and evaluation mode, its norms as if after training, not 0 and 1."""
    for name, tensor in module.double().state_dict().items():
        if ("running" in name or "norm" in name) and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    return module.eval()


def as_arrays(module):
    return {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
