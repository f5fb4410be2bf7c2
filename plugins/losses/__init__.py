"""The built-in losses. The first for a task is the one that the task gets when nobody chose."""

from netkit import hookimpl


@hookimpl
def netkit_losses() -> dict[str, str]:
    """Table of contents: name to component."""
    here = "netkit_plugins.losses"
    return {
        "binary_cross_entropy": f"{here}.cross_entropy:BinaryCrossEntropy",
        "categorical_cross_entropy": f"{here}.cross_entropy:CategoricalCrossEntropy",
        "mean_squared_error": f"{here}.differences:MeanSquaredError",
        "mean_absolute_error": f"{here}.differences:MeanAbsoluteError",
        "huber": f"{here}.differences:Huber",
        "hinge": f"{here}.hinge:Hinge",
        "focal": f"{here}.focal:Focal",
        "log_cosh": f"{here}.differences:LogCosh",
        "poisson": f"{here}.likelihood:Poisson",
        "quantile": f"{here}.differences:Quantile",
        "kl_divergence": f"{here}.cross_entropy:KlDivergence",
        "bce": "binary_cross_entropy",
        "cce": "categorical_cross_entropy",
        "mse": "mean_squared_error",
        "mae": "mean_absolute_error",
        "pinball": "quantile",
        "kld": "kl_divergence",
    }
