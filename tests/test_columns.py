"""Columns that nobody set: dates that are not ISO 8601, ids and row numbers."""

import datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netkit.tables.features import Features, TableSummary

DAYS = st.lists(
    st.dates(datetime.date(1970, 1, 1), datetime.date(2060, 1, 1)), min_size=2, max_size=30, unique=True
).map(lambda days: [*days, datetime.date(1999, 3, 25), datetime.date(2001, 4, 26)])


@pytest.mark.parametrize("written", ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%b %d, %Y", "%d %b %Y", "%Y/%m/%d"])
@settings(max_examples=10, deadline=None)
@given(days=DAYS, cuts=st.lists(st.integers(1, 30), max_size=3))
def test_written_dates_are_the_same_inputs_as_dates_however_the_table_is_cut(written, days, cuts):
    days = [day for day in days if "%y" not in written or day.year < 2060]
    words = pa.table({"t": [day.strftime(written) for day in days]})
    true = Features.fit(pa.table({"t": days}))
    summary, ends = TableSummary(), sorted({0, len(words), *(cut for cut in cuts if cut < len(words))})
    for start, end in zip(ends, ends[1:]):
        piece = words.slice(start, end - start)
        summary.see(piece)
        summary.feed(piece)
    found = Features.of(summary)
    assert found.columns[0].encoder.written() == written and found.columns[0].state == true.columns[0].state
    assert found.transform(words).equal(true.transform(pa.table({"t": days})))
    assert Features.from_json(found.to_json()) == found


@pytest.mark.parametrize("name, out", {"patient_id": True, "customerID": True, "year": False, "humid": False}.items())
def test_ids_are_left_out_and_measurements_are_not(name, out):
    features = Features.fit(pa.table({name: [7 * i for i in range(60)], "z": [i % 5 for i in range(60)]}))
    assert (name in features.left_out) == out
