"""The built-in metrics."""

from netkit import hookimpl


@hookimpl
def netkit_metrics() -> dict[str, str]:
    """Table of contents: name to component."""
    here = "netkit_plugins.metrics"
    return {
        "accuracy": f"{here}.classification:Accuracy",
        "error_rate": f"{here}.classification:ErrorRate",
        "precision": f"{here}.classification:Precision",
        "recall": f"{here}.classification:Recall",
        "f1": f"{here}.classification:F1",
        "log_loss": f"{here}.probability:LogLoss",
        "r2": f"{here}.regression:R2",
        "mean_squared_error": f"{here}.regression:MeanSquaredError",
        "mean_absolute_error": f"{here}.regression:MeanAbsoluteError",
    }
