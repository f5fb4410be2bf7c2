"""The built-in metrics."""

from netkit import hookimpl


@hookimpl
def netkit_metrics() -> dict[str, str]:
    """Table of contents: name to component."""
    here = "netkit_plugins.metrics"
    return {
        "accuracy": f"{here}.classification:Accuracy",
        "error_rate": f"{here}.classification:ErrorRate",
        "one_hot_error_rate": f"{here}.classification:OneHotErrorRate",
        "balanced_accuracy": f"{here}.classification:BalancedAccuracy",
        "mcc": f"{here}.classification:Mcc",
        "precision": f"{here}.classification:Precision",
        "recall": f"{here}.classification:Recall",
        "f1": f"{here}.classification:F1",
        "log_loss": f"{here}.probability:LogLoss",
        "brier": f"{here}.probability:Brier",
        "calibration_error": f"{here}.probability:CalibrationError",
        "top_k": f"{here}.probability:TopK",
        "roc_auc": f"{here}.probability:RocAuc",
        "r2": f"{here}.regression:R2",
        "mean_squared_error": f"{here}.regression:MeanSquaredError",
        "mean_absolute_error": f"{here}.regression:MeanAbsoluteError",
        "rmse": f"{here}.regression:Rmse",
        "mape": f"{here}.regression:Mape",
        "median_absolute_error": f"{here}.median:MedianAbsoluteError",
        "acc": "accuracy",
        "auc": "roc_auc",
        "ece": "calibration_error",
        "mse": "mean_squared_error",
        "mae": "mean_absolute_error",
        "root_mean_squared_error": "rmse",
    }
