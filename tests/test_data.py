"""Tables to tensors: preparing, targets and splits, by their properties."""

from __future__ import annotations

import datetime
from math import ceil

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from netkit import DataError, ModelFileError, NumberSummary, UnknownComponent, registry
from netkit.tables.features import Features, unseen_notes
from netkit.tables.split import Split
from netkit.tables.target import Target

numbers = st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), min_size=1, max_size=30)
words = st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=1, max_size=30)


def column(values, type=None):
    return pa.chunked_array([pa.array(values, type)])


def summary(values):
    found = NumberSummary()
    found.feed(values)
    return found


def body(values):
    """Median and interquartile range that the encoder of numbers finds."""
    return registry.encoders["number"]().fit(summary(column(values))).body


@given(numbers, words)
def test_preparation_survives_json_to_the_bit_and_keeps_rows_apart(some, others):
    n = min(len(some), len(others))
    table = pa.table(
        {"n": column([*some[:n], 1.0, 2.0], pa.float64()), "w": column([*others[:n], "a", "b"], pa.string())}
    )
    features = Features.fit(table)
    again = Features.from_json(features.to_json())
    assert again == features and again.names == features.names and len(set(features.names)) == features.width
    x = features.transform(table)
    assert x.shape == (n + 2, features.width) and x.dtype == torch.float32 and bool(torch.isfinite(x).all())
    assert torch.equal(again.transform(table), x)
    assert torch.equal(features.transform(table.select(["w", "n"])), x)
    assert torch.equal(torch.cat([features.transform(table.slice(row, 1)) for row in range(n + 2)]), x)


def prepared(features, columns):
    """The inputs of a table, and what is said of values that training never saw."""
    table = pa.table(columns)
    x = torch.zeros(len(table), features.width)
    return x, unseen_notes(features.encode(table, x))


def inputs_of(values, name="x", **types):
    """The inputs of one column, fitted on itself."""
    table = pa.table({name: column(values)})
    return Features.fit(table, types=types).transform(table)


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=2, max_size=40))
def test_numbers_are_standardised(values):
    x = inputs_of([*values, min(values) - 100.0, max(values) + 100.0]).double()[:, 0]
    assert abs(x.mean()) < 1e-6 and abs(x.std(correction=0) - 1) < 1e-6


@given(st.lists(st.floats(-100, 100), min_size=8, max_size=40), st.floats(1e5, 1e100))
def test_a_heavy_tail_has_a_body_scaled_by_quartiles_and_clipped_smoothly(values, far):
    values = [*values, *(0.0, 1.0, 2.0, 3.0) * 4, far]
    low, median, high = np.percentile(values, [25, 50, 75])
    v = np.minimum((np.array(values) - median) / (high - low), 1e9)
    wanted = v / np.sqrt(1 + (v / 3) ** 2)
    features = Features.fit(pa.table({"x": values}))
    x = features.transform(pa.table({"x": values}))[:, 1]
    assert features.columns[0].state.body == (median, high - low) and features.names == ["x", "x (body)"]
    assert np.allclose(x.numpy(), wanted, rtol=1e-6, atol=1e-6) and float(x[-1]) == pytest.approx(3, rel=1e-3)


def test_a_value_five_quartile_ranges_out_is_the_first_that_makes_a_tail():
    values = [0.0, 1.0, 2.0, 3.0, 4.0] * 9  # quartiles 1, 2, 3
    assert body([*values, *[2.0] * 10, 12.0]) is None
    assert body([*values, *[2.0] * 10, 13.0]) == (2.0, 2.0)
    assert body([0.0] * 99 + [5.0]) is None  # no quartile range to measure by
    assert Features.fit(pa.table({"x": [*values, 100.0]}), types={"x": "number:body=false"}).names == ["x"]


def test_a_number_far_beyond_training_stays_finite():
    features = Features.fit(pa.table({"x": [*range(50), 1e6], "tiny": [1e-300, *[0.0] * 50]}))
    x = features.transform(pa.table({"x": [1.7e308, -1.7e308], "tiny": [1.7e308, -1.7e308]}))
    assert bool(x.isfinite().all()) and x[:, 1].tolist() == pytest.approx([3, -3])


def test_a_missing_number_is_the_mean_and_has_an_indicator():
    for missing in (None, float("nan")):
        features = Features.fit(pa.table({"x": [1.0, missing, 3.0]}))
        assert features.transform(pa.table({"x": [1.0, missing, 3.0]})).tolist() == [[-1, 0], [0, 1], [1, 0]]
        assert features.names == ["x", "x (missing)"]


def test_a_missing_number_of_a_heavy_tail_is_the_middle_of_both():
    x = inputs_of([0.0, 1.0, 2.0, 3.0, 4.0] * 9 + [1e3, None])
    assert x[-1].tolist() == [0, 0, 1] and x[0, 2] == 0 and x[2, 1] == 0 and x[0, 1] < 0


@pytest.mark.parametrize("value", [3.0, datetime.date(2024, 5, 6)])
def test_a_constant_with_holes_is_its_holes(value):
    assert inputs_of([value, None, value]).tolist() == [[0, 0], [0, 1], [0, 0]]


def test_quartiles_of_a_long_column_come_from_a_sample():
    values = np.random.default_rng(0).standard_t(1, 300_000)
    assert body(np.sort(values)) == pytest.approx((0, 2), abs=0.05)


def test_rare_levels_share_an_input_and_unseen_ones_join_them():
    values = [f"v{i}" for i in range(100) for _ in range(3)] + ["rare", "rarer"]
    features = Features.fit(pa.table({"w": values}))
    assert features.names[-1] == "w (other)" and features.width == 101
    x, unseen = prepared(features, {"w": ["v7", "rare", "never seen", None]})
    assert x.sum(1).tolist() == [1, 1, 1, 0] and x[:, -1].tolist() == [0, 1, 1, 0] and not unseen
    assert features.notes == ("w: the 100 most frequent values keep an input each, the others share one",)


def test_a_hundred_levels_need_no_other():
    assert Features.fit(pa.table({"w": [f"v{i % 100}" for i in range(200)]})).names[-1] == "w=v99"


def test_an_unseen_level_of_few_is_counted_and_all_zeros():
    features = Features.fit(pa.table({"w": ["a", "b", "a"]}))
    x, unseen = prepared(features, {"w": ["c", "a", "c"]})
    assert x.tolist() == [[0, 0], [1, 0], [0, 0]] and not features.notes
    assert unseen == ["w: 2 values that training never saw"]


LEFT_OUT = {
    "empty": ([None, None], "every value is missing"),
    "empty numbers": ([float("nan"), None], "every value is missing"),
    "one day": ([datetime.date(2024, 1, 1)] * 2, "every date is the same"),
    "constant": ([3, 3], "every value is 3"),
    "constant text": (["a", "a"], "every value is 'a'"),
    "name": ([f"n{i}" for i in range(21)], "every value differs, as in a name"),
}


@pytest.mark.parametrize("values, why", LEFT_OUT.values(), ids=LEFT_OUT)
def test_columns_that_say_nothing_are_left_out_with_the_reason(values, why):
    features = Features.fit(pa.table({"x": values, "y": [i % 3 for i in range(len(values))]}))
    assert features.names == ["y"] and features.notes == (f"x: left out: {why}",)
    with pytest.raises(DataError, match=f"no column is left to learn from; x: left out: {why}"):
        Features.fit(pa.table({"x": values}))


TIMES = {
    "date": ([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)], 86400),
    "timestamp": ([datetime.datetime(2024, 1, 1, 0), datetime.datetime(2024, 1, 1, 1)], 3600),
    "nanoseconds": (pa.array([0, 10**9]).cast(pa.timestamp("ns")), 1),
    "milliseconds": (pa.array([0, 86400000], pa.date64()), 86400),
    "duration": ([datetime.timedelta(0), datetime.timedelta(minutes=2)], 120),
    "time": ([datetime.time(1, 0), datetime.time(1, 1)], 60),
    "bool": ([False, True], 1),
    "decimal": (
        [pa.scalar("1.5").cast(pa.decimal128(3, 1)).as_py(), pa.scalar("4.5").cast(pa.decimal128(3, 1)).as_py()],
        3,
    ),
}


@pytest.mark.parametrize("values, apart", TIMES.values(), ids=TIMES)
def test_dates_times_booleans_and_decimals_are_numbers(values, apart):
    [fitted] = Features.fit(pa.table({"t": column(values)})).columns
    assert fitted.state.scale == pytest.approx(apart / 2)
    assert inputs_of(values)[:, 0].tolist() == pytest.approx([-1, 1])


@given(
    st.lists(
        st.datetimes(datetime.datetime(1950, 1, 1), datetime.datetime(2100, 1, 1)), min_size=2, max_size=20, unique=True
    )
)
def test_cycles_of_dates_have_their_period_and_radius_one(moments):
    moments = [*moments, datetime.datetime(2020, 1, 1), datetime.datetime(2022, 2, 3, 5)]
    features = Features.fit(pa.table({"t": column(moments, pa.timestamp("us"))}))
    waves = [f"t ({wave} of the {cycle})" for cycle in ("day", "week", "year") for wave in ("sin", "cos")]
    assert features.names == ["t", *waves]
    x = features.transform(pa.table({"t": column(moments, pa.timestamp("us"))}))
    assert torch.allclose(x[:, 1::2].square() + x[:, 2::2].square(), torch.ones(len(moments), 3), atol=1e-5)
    for days, width in ((7, 5), (146097, 7)):  # a week, and the 400 years after which the calendar repeats
        later = [moment + datetime.timedelta(days=days) for moment in moments]
        assert torch.allclose(
            features.transform(pa.table({"t": column(later, pa.timestamp("us"))}))[:, 1:width], x[:, 1:width], atol=1e-4
        )


SPANS = {
    "within a day": (datetime.datetime(2024, 1, 1, 8), {"hours": 1}, 9, []),
    "exactly a day": (datetime.datetime(2024, 1, 1), {"hours": 12}, 3, ["day"]),
    "hours of a week": (datetime.datetime(2024, 1, 1), {"hours": 7}, 30, ["day", "week"]),
    "the same hour": (datetime.datetime(2024, 1, 1, 9), {"days": 1}, 30, ["week"]),
    "the same weekday": (datetime.datetime(2024, 1, 1), {"days": 7}, 60, ["year"]),
    "days of years": (datetime.datetime(2024, 1, 1), {"days": 5}, 100, ["week", "year"]),
}


@pytest.mark.parametrize("start, step, count, cycles", SPANS.values(), ids=SPANS)
def test_a_date_has_the_cycles_that_it_goes_through(start, step, count, cycles):
    [fitted] = Features.fit(
        pa.table({"t": column([start + i * datetime.timedelta(**step) for i in range(count)])})
    ).columns
    assert list(fitted.state.cycles) == cycles


def test_a_missing_date_is_marked_and_dates_may_come_as_text():
    features = Features.fit(pa.table({"t": column([datetime.date(2024, 1, 1), None, datetime.date(2024, 1, 3)])}))
    assert features.names == ["t", "t (missing)"]
    assert features.transform(pa.table({"t": ["2024-01-03", None, "2024-01-02T00:00:00"]})).tolist() == [
        [1, 0],
        [0, 1],
        [0, 0],
    ]
    with pytest.raises(DataError, match="^t: row 2: 'soon' is not an ISO 8601 date$"):
        features.transform(pa.table({"t": ["2024-01-03", "soon"]}))
    with pytest.raises(DataError, match="^t: dates are needed, got int64$"):
        features.transform(pa.table({"t": [20240103]}))


@given(st.lists(st.one_of(st.none(), st.sampled_from("abcdefgh")), min_size=4, max_size=40))
def test_codes_tell_levels_that_were_seen_twice(values):
    values = ["a", "a", *values]
    features = Features.fit(pa.table({"w": values}), types={"w": "embedding"})
    levels, layer = features.columns[0].state.levels, features.layer()
    assert set(levels) == {level for level in values if level and values.count(level) > 1}
    assert (layer.columns, layer.levels) == ((0,), (len(levels) + 1,)) and features.text == ["w"]
    assert layer.dimensions == (ceil((len(levels) + 1) ** 0.25),)
    x, unseen = prepared(features, {"w": [*levels, None, "never seen"]})
    assert x.flatten().tolist() == [*range(1, len(levels) + 1), 0, 0] and not (features.notes or unseen)
    assert Features.from_json(features.to_json()) == features


def test_columns_are_what_they_are_set_to():
    table = pa.table(
        {"n": ["1", "2", "2", "3"] * 9, "t": [5, 6, 7, 5] * 9, "d": ["2024-01-01", "2024-02-01"] * 18, "s": range(36)}
    )
    features = Features.fit(table, types={"n": "number", "t": "text", "d": "date", "s": "skip"})
    assert features.names == ["n", "t=5", "t=6", "t=7", "d", "d (sin of the week)", "d (cos of the week)"]
    assert features.left_out == {"s": "as it is set"} and not features.notes and features.text == ["t"]
    assert Features.fit(pa.table({"w": [f"n{i}" for i in range(20)]})).width == 20  # too few to be names
    names = [f"n{i}" for i in range(30)]
    assert Features.fit(pa.table({"w": names}), types={"w": "text"}).width == 30


WRONG = {
    "type": (
        {"x": "txt"},
        UnknownComponent,
        "x: skip or an encoder is needed, and encoder 'txt' is unknown; did you mean text?",
    ),
    "column": ({"xx": "text"}, DataError, "there is no column 'xx'; did you mean x?"),
    "number": ({"x": "number"}, DataError, "x: row 1: 'a' is not a number"),
    "date": ({"x": "date"}, DataError, "x: row 1: 'a' is not an ISO 8601 date"),
    "codes": ({"x": "embedding"}, DataError, "no column is left to learn from; x: left out: every value differs"),
    "skip": ({"x": "skip"}, DataError, "no column is left to learn from"),
}


@pytest.mark.parametrize("types, error, message", WRONG.values(), ids=WRONG)
def test_types_that_cannot_be_are_refused(types, error, message):
    with pytest.raises(error) as caught:
        Features.fit(pa.table({"x": ["a", "b"]}), types=types)
    assert str(caught.value) == message


def test_columns_of_other_types_are_left_out_by_name_and_no_target():
    table = pa.table({"x": [1, 2], "list": [[1], [2]], "bytes": [b"a", b"b"]})
    features = Features.fit(table)
    assert features.names == ["x"] and features.left_out["bytes"] == "binary is neither number, text nor date"
    assert features.left_out["list"].startswith("list<")
    with pytest.raises(DataError, match=r"^list: the target must be numbers, text or dates, got list<.*>$"):
        Target.fit("list", table["list"])


def test_text_comes_as_dictionaries_and_views_too():
    plain = pa.table({"w": ["a", "b", None, "a"]})
    x = Features.fit(plain).transform(plain)
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        table = pa.table({"w": column(["a", "b", None, "a"], kind)})
        assert torch.equal(Features.fit(table).transform(table), x)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 3))
def test_chunks_do_not_matter(sizes, seed):
    values = np.random.default_rng(seed).standard_normal(sum(sizes) + 2)
    chunks = np.split(values[: sum(sizes)], np.cumsum(sizes)[:-1])
    one, many = (pa.table({"x": pa.chunked_array(parts)}) for parts in ([values[: sum(sizes)]], chunks))
    features = Features.fit(pa.table({"x": values}))
    assert torch.equal(features.transform(one), features.transform(many))


def test_a_number_that_came_as_text_is_read_or_refused_by_row():
    features = Features.fit(pa.table({"x": [1.0, 2.0]}))
    assert torch.equal(features.transform(pa.table({"x": ["1", "2"]})), features.transform(pa.table({"x": [1.0, 2.0]})))
    with pytest.raises(DataError, match="^x: row 2: 'two' is not a number$"):
        features.transform(pa.table({"x": ["1", "two"]}))


def test_numbers_too_large_to_standardise_are_refused():
    with pytest.raises(DataError, match="^x: its values are too large to standardise, the largest is 1.7e"):
        Features.fit(pa.table({"x": [1.7e308, -1.7e308, 1.7e308]}))


DAMAGED = {
    "no columns": {},
    "wrong type": {"columns": [{"name": 1}]},
    "unknown type": {"columns": [{"name": "x", "type": "image"}]},
    "scale 0": {"columns": [{"name": "x", "type": "number", "scale": 0}]},
    "none": {"columns": []},
    "another netkit's": {"columns": [{"name": "x", "type": "number", "mean": 1.0}]},
    "no levels": {"columns": [{"name": "x", "type": "text"}]},
    "not a table": 7,
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_damaged_preparation_is_refused(data):
    with pytest.raises(ModelFileError, match="^the preparation of the columns is damaged"):
        Features.from_json(data)


@pytest.mark.parametrize("data", [{}, {"name": "y", "task": "binary"}, {"name": "y", "task": "poetry"}, 3])
def test_damaged_target_is_refused(data):
    with pytest.raises(ModelFileError, match="^the target is damaged"):
        Target.from_json(data)


labels = st.one_of(
    st.lists(st.text(max_size=4), min_size=2, max_size=30),
    st.lists(st.booleans(), min_size=2),
    st.lists(st.integers(-5, 5), min_size=2, max_size=90),
    st.lists(st.floats(-1e3, 1e3), min_size=2),
)


@given(labels.filter(lambda values: len(set(values)) > 1))
def test_targets_decode_to_what_was_encoded(values):
    target = Target.fit("y", column(values))
    assert Target.from_json(target.to_json()) == target
    encoded = target.encode(column(values))
    assert encoded.shape == (len(values), target.width) and encoded.dtype == torch.float32
    if target.task == "regression":
        assert target.decode(encoded) == pytest.approx(values, rel=1e-4, abs=1e-3 * target.scale)
    else:
        assert target.decode(encoded) == values


TASKS = {
    "two numbers": ([0, 1, 1], "binary"),
    "two words": (["no", "yes"], "binary"),
    "words": (["a", "b", "c"], "multiclass"),
    "few integers": ([1, 2, 3] * 5, "multiclass"),
    "few whole floats": ([1.0, 2.0, 3.0] * 5, "multiclass"),
    "few halves": ([0.5, 1.0, 1.5] * 5, "regression"),
    "many integers": (list(range(30)) * 5, "regression"),
    "few rows": ([1, 2, 3, 4, 5], "regression"),
    "dates": ([datetime.date(2024, 1, day) for day in range(1, 30)], "regression"),
}


@pytest.mark.parametrize("values, task", TASKS.values(), ids=TASKS)
def test_the_task_follows_from_the_target(values, task):
    assert Target.fit("y", column(values)).task == task


REFUSED = {
    "one value": (["a", "a"], None, "y: the target has one value only, 'a'"),
    "not two": (["a", "b", "c"], "binary", "y: a binary target has two values, this one has 3"),
    "text": (["a", "b", "c"], "regression", "y: a regression needs numbers, got 'a'"),
}


@pytest.mark.parametrize("values, task, message", REFUSED.values(), ids=REFUSED)
def test_targets_that_cannot_be_are_refused(values, task, message):
    with pytest.raises(DataError) as caught:
        Target.fit("y", column(values), task)
    assert str(caught.value) == message


def test_a_class_keeps_its_name_in_another_type_and_an_unseen_one_is_refused():
    target = Target.fit("y", column([1, 2, 3] * 5))
    assert torch.equal(target.encode(column([1.0, 3.0])), target.encode(column([1, 3])))
    with pytest.raises(DataError, match="^y: row 2 holds 4, a class that training never saw$"):
        target.encode(column([1, 4]))
    with pytest.raises(DataError, match="^y: row 1 has no value$"):
        target.encode(column([None, 1]))


@given(st.integers(1, 300), st.floats(0.01, 0.99), st.integers(0, 5), st.integers(1, 6))
def test_a_split_shares_out_rows_evenly_and_the_same_for_a_seed(rows, fraction, seed, classes):
    table = pa.table({"y": np.arange(rows) % classes})
    held = Split("y", fraction, seed).held_out(table)
    assert abs(held.sum() - rows * fraction) < 1 + 2 * classes
    for each in range(classes):  # of the first 1 / fraction rows of each class others may be taken
        late = np.flatnonzero(np.arange(rows) % classes == each)[ceil(1 / fraction) :]
        assert abs(held[late].sum() - len(late) * fraction) < 2  # where they begin and where they end a share is cut
    assert (held == Split("y", fraction, seed).held_out(table)).all()
    other = Split("y", fraction, seed + 1).held_out(table)
    assert rows < 50 or not 0.1 < fraction < 0.9 or not (held == other).all()


@given(st.integers(1, 60), st.floats(0.001, 0.99), st.integers(0, 5))
def test_a_split_that_held_out_all_rows_or_none_holds_out_one(rows, fraction, seed):
    table = pa.table({"y": np.arange(rows)})
    split = Split("y", fraction, seed)
    split.held_out(table)
    if rows < 2 or round(rows * fraction + 1e-12) < 1:
        with pytest.raises(DataError) as caught:
            split.again()
        assert str(caught.value) == f"{rows} rows are too few to hold out a share of {fraction:g}"
        return
    again = split.again()
    pieces = [again.held_out(table.slice(0, 7)), again.held_out(table.slice(7))]
    assert np.concatenate(pieces).sum() == 1 and (np.concatenate(pieces) == split.again().held_out(table)).all()
