"""The types of `netkit`. Written by `python -m netkit.registry.stub`; a test holds it to what there is."""

from typing import Any

from . import derived as derived
from . import registry as registry
from . import spec as spec
from netkit.errors import DataError as DataError
from netkit.errors import DivergenceError as DivergenceError
from netkit.errors import MemoryExhausted as MemoryExhausted
from netkit.errors import ModelFileError as ModelFileError
from netkit.errors import NetkitError as NetkitError
from netkit.errors import PluginError as PluginError
from netkit.errors import SettingError as SettingError
from netkit.errors import ShapeError as ShapeError
from netkit.errors import UnknownComponent as UnknownComponent
from netkit.errors import UsageError as UsageError
from netkit.registry.hookspecs import hookimpl as hookimpl
from netkit.kinds import Activation as Activation
from netkit.kinds import Call as Call
from netkit.kinds import Component as Component
from netkit.kinds import Encoder as Encoder
from netkit.kinds import Epoch as Epoch
from netkit.kinds import Initializer as Initializer
from netkit.kinds import Layer as Layer
from netkit.kinds import Loss as Loss
from netkit.kinds import Metric as Metric
from netkit.kinds import Optimizer as Optimizer
from netkit.kinds import Params as Params
from netkit.kinds import Reader as Reader
from netkit.kinds import Reporter as Reporter
from netkit.kinds import RunInfo as RunInfo
from netkit.kinds import Schedule as Schedule
from netkit.kinds import Shape as Shape
from netkit.kinds import TextReader as TextReader
from netkit.tensors import by_row as by_row
from netkit.tensors import comparable as comparable
from netkit.tensors import labels as labels
from netkit.tensors import like as like
from netkit.tensors import row_means as row_means
from netkit.engine.chain import Chain as Chain
from netkit.engine.chain import ChainLayer as ChainLayer
from netkit.engine.history import History as History
from netkit.engine.program.operations import bind as bind
from netkit.files.atomic import atomic_write as atomic_write
from netkit.files.atomic import open_stream as open_stream
from netkit.model import Model as Model
from netkit.model import load as load
from netkit.tables.summaries import DateSummary as DateSummary
from netkit.tables.summaries import NumberSummary as NumberSummary
from netkit.tables.summaries import TextSummary as TextSummary
from netkit.tables.model import TableModel as TableModel
from netkit.tables.interruption import Interrupted as Interrupted
from netkit.tables.training import train as train
from netkit_plugins.activations.gated import Gelu as Gelu
from netkit_plugins.activations.gated import HardSwish as HardSwish
from netkit_plugins.activations.gated import Mish as Mish
from netkit_plugins.activations.gated import Silu as Silu
from netkit_plugins.activations.identity import Identity as Identity
from netkit_plugins.activations.rectified import Celu as Celu
from netkit_plugins.activations.rectified import Elu as Elu
from netkit_plugins.activations.rectified import LeakyRelu as LeakyRelu
from netkit_plugins.activations.rectified import Relu as Relu
from netkit_plugins.activations.rectified import Relu6 as Relu6
from netkit_plugins.activations.rectified import Selu as Selu
from netkit_plugins.activations.rectified import Softplus as Softplus
from netkit_plugins.activations.rectified import Squareplus as Squareplus
from netkit_plugins.activations.softmax import LogSoftmax as LogSoftmax
from netkit_plugins.activations.softmax import Softmax as Softmax
from netkit_plugins.activations.squashing import HardSigmoid as HardSigmoid
from netkit_plugins.activations.squashing import HardTanh as HardTanh
from netkit_plugins.activations.squashing import Sigmoid as Sigmoid
from netkit_plugins.activations.squashing import Softsign as Softsign
from netkit_plugins.activations.squashing import Tanh as Tanh
from netkit_plugins.encoders.levels import Text as Text
from netkit_plugins.encoders.quantities import Date as Date
from netkit_plugins.encoders.quantities import Number as Number
from netkit_plugins.initializers.data import UnitVariance as UnitVariance
from netkit_plugins.initializers.distributions import Constant as Constant
from netkit_plugins.initializers.distributions import Normal as Normal
from netkit_plugins.initializers.distributions import TruncatedNormal as TruncatedNormal
from netkit_plugins.initializers.distributions import Uniform as Uniform
from netkit_plugins.initializers.distributions import Zeros as Zeros
from netkit_plugins.initializers.variance_scaling import GlorotNormal as GlorotNormal
from netkit_plugins.initializers.variance_scaling import GlorotUniform as GlorotUniform
from netkit_plugins.initializers.variance_scaling import HeNormal as HeNormal
from netkit_plugins.initializers.variance_scaling import HeUniform as HeUniform
from netkit_plugins.initializers.variance_scaling import LecunNormal as LecunNormal
from netkit_plugins.initializers.variance_scaling import Orthogonal as Orthogonal
from netkit_plugins.layers.activate import Activate as Activate
from netkit_plugins.layers.batch_norm import BatchNorm as BatchNorm
from netkit_plugins.layers.dense import Dense as Dense
from netkit_plugins.layers.dropout import Dropout as Dropout
from netkit_plugins.layers.embedding import Embedding as Embedding
from netkit_plugins.layers.glu import Glu as Glu
from netkit_plugins.layers.layer_norm import LayerNorm as LayerNorm
from netkit_plugins.layers.nested import Concat as Concat
from netkit_plugins.layers.nested import Rates as Rates
from netkit_plugins.layers.nested import Residual as Residual
from netkit_plugins.layers.prelu import Prelu as Prelu
from netkit_plugins.layers.shapes import Flatten as Flatten
from netkit_plugins.layers.shapes import Reshape as Reshape
from netkit_plugins.layers.torch_module import Torch as Torch
from netkit_plugins.layers.windows import AveragePool1d as AveragePool1d
from netkit_plugins.layers.windows import AveragePool2d as AveragePool2d
from netkit_plugins.layers.windows import Conv1d as Conv1d
from netkit_plugins.layers.windows import Conv2d as Conv2d
from netkit_plugins.layers.windows import MaxPool1d as MaxPool1d
from netkit_plugins.layers.windows import MaxPool2d as MaxPool2d
from netkit_plugins.losses.cross_entropy import BinaryCrossEntropy as BinaryCrossEntropy
from netkit_plugins.losses.cross_entropy import CategoricalCrossEntropy as CategoricalCrossEntropy
from netkit_plugins.losses.cross_entropy import KlDivergence as KlDivergence
from netkit_plugins.losses.differences import Huber as Huber
from netkit_plugins.losses.differences import LogCosh as LogCosh
from netkit_plugins.losses.differences import MeanAbsoluteError as MeanAbsoluteError
from netkit_plugins.losses.differences import MeanSquaredError as MeanSquaredError
from netkit_plugins.losses.differences import Quantile as Quantile
from netkit_plugins.losses.focal import Focal as Focal
from netkit_plugins.losses.hinge import Hinge as Hinge
from netkit_plugins.losses.likelihood import Poisson as Poisson
from netkit_plugins.optimizers.adagrad import Adagrad as Adagrad
from netkit_plugins.optimizers.adam import Adam as Adam
from netkit_plugins.optimizers.adam import Adamw as Adamw
from netkit_plugins.optimizers.lbfgs import Lbfgs as Lbfgs
from netkit_plugins.optimizers.lion import Lion as Lion
from netkit_plugins.optimizers.nadam import Nadam as Nadam
from netkit_plugins.optimizers.radam import Radam as Radam
from netkit_plugins.optimizers.rmsprop import Rmsprop as Rmsprop
from netkit_plugins.optimizers.sgd import Sgd as Sgd
from netkit_plugins.readers.columnar import Arrow as Arrow
from netkit_plugins.readers.columnar import Parquet as Parquet
from netkit_plugins.readers.text import Csv as Csv
from netkit_plugins.readers.text import JsonLines as JsonLines
from netkit_plugins.reporters.json_log import JsonLog as JsonLog
from netkit_plugins.schedules.decay import Cosine as Cosine
from netkit_plugins.schedules.decay import Step as Step
from netkit_plugins.schedules.warm_up import OneCycle as OneCycle
from netkit_plugins.schedules.warm_up import WarmUp as WarmUp

__version__: str
__all__ = [
    "Activation",
    "Call",
    "Chain",
    "ChainLayer",
    "Component",
    "DataError",
    "DateSummary",
    "DivergenceError",
    "Encoder",
    "Epoch",
    "History",
    "Initializer",
    "Interrupted",
    "Layer",
    "Loss",
    "MemoryExhausted",
    "Metric",
    "Model",
    "ModelFileError",
    "NetkitError",
    "NumberSummary",
    "Optimizer",
    "Params",
    "PluginError",
    "Reader",
    "Reporter",
    "RunInfo",
    "Schedule",
    "SettingError",
    "Shape",
    "ShapeError",
    "TableModel",
    "TextReader",
    "TextSummary",
    "UnknownComponent",
    "UsageError",
    "atomic_write",
    "bind",
    "by_row",
    "comparable",
    "derived",
    "hookimpl",
    "labels",
    "like",
    "load",
    "open_stream",
    "registry",
    "row_means",
    "spec",
    "train",
]

def Accuracy(y: Any, yhat: Any) -> float:
    """Share of rows that are equal; one-hot rows and rows of class probabilities are compared by argmax."""
def BalancedAccuracy(y: Any, yhat: Any) -> float:
    """The mean over the classes that occur of the share of their rows that is right: 1/k for a guess among k classes."""
def Brier(y: Any, yhat: Any) -> float:
    """The mean over rows of (p - y)^2, p the probability of a 1; with three classes or more, of sum_k (p_k - y_k)^2."""
def CalibrationError(y: Any, yhat: Any, **settings: Any) -> float:
    """Expected calibration error: sum_b n_b / n |share right in b - mean probability in b|, from 0 to 1."""
def ErrorRate(y: Any, yhat: Any) -> float:
    """Share of rows that differ; one-hot rows and rows of class probabilities are compared by argmax."""
def F1(y: Any, yhat: Any) -> float:
    """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall; 0 where there is nothing positive."""
def LogLoss(y: Any, yhat: Any) -> float:
    """-log of the probability that was given to what happened, the mean over rows, in nats."""
def Mape(y: Any, yhat: Any) -> float:
    """Mean absolute percentage error, mean |y - p| / |y| over rows and columns, as a share: 0.1 is 10 %."""
def Mcc(y: Any, yhat: Any) -> float:
    """Matthews' correlation coefficient, from -1 to 1; 0 is a guess, and where all rows are, or are called, one class."""
def MedianAbsoluteError(y: Any, yhat: Any) -> float:
    """The median of |y - p| over rows, in the target's unit; the mean over the columns. Of an even number of rows the"""
def OneHotErrorRate(y: Any, yhat: Any) -> float:
    """Share of rows whose argmax differs from the target's; both (n, k), one-hot rows or class probabilities."""
def Precision(y: Any, yhat: Any) -> float:
    """TP / (TP + FP): of the rows called positive, the share that is; 0 where none was called so."""
def R2(y: Any, yhat: Any) -> float:
    """1 - sum (y - p)^2 / sum (y - mean y)^2, the mean over the columns; 1 is perfect, 0 is as good as the mean."""
def Recall(y: Any, yhat: Any) -> float:
    """TP / (TP + FN): of the rows that are positive, the share called so; 0 where there is none."""
def Rmse(y: Any, yhat: Any) -> float:
    """Root mean squared error, sqrt(mean (y - p)^2) over the rows, in the target's unit; the mean over the columns."""
def RocAuc(y: Any, yhat: Any, **settings: Any) -> float:
    """The chance that a positive row has a higher output than a negative one, a tie counting one half."""
def TopK(y: Any, yhat: Any, **settings: Any) -> float:
    """Share of rows whose class is among the k highest outputs; 1 where there are no more than k classes."""
