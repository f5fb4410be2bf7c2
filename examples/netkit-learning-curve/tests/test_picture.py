import json
import re
import xml.etree.ElementTree as ET

import pytest
from netkit_learning_curve import LearningCurve, points_in

from netkit import Epoch, RunInfo


def told(path, losses, done=0, held_out=True, trouble=None, **settings):
    curve = LearningCurve(str(path), **settings)
    state = curve.start(RunInfo({"loss": "a<b", "optimizer": None}, None, done + len(losses), done))
    for number, loss in enumerate(losses, done + 1):
        curve.epoch(state, Epoch(number, loss, {}, {"loss": 2 * loss} if held_out else {}, number == 2))
    curve.end(state, trouble)
    return path.read_text("utf-8") if path.exists() else ""


def lines(picture):
    found = ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}polyline")
    return [[tuple(map(float, place.split(","))) for place in each.get("points").split()] for each in found]


def test_each_epoch_is_a_point_of_both_lines_and_the_best_is_marked(tmp_path):
    picture = told(tmp_path / "curve.svg", [4.0, 2.0, 1.0], seconds=0)
    training, validation = lines(picture)
    assert [x for x, _ in training] == [x for x, _ in validation] == [70, 385, 700]
    steps = [below - above for (_, above), (_, below) in zip(training, training[1:])]
    assert steps[0] == pytest.approx(steps[1], abs=0.2) and validation[1] == pytest.approx((385, training[0][1]))
    assert "best: epoch 2" in picture and ">a&lt;b<" in picture


def test_a_straight_scale_and_losses_below_zero(tmp_path):
    for settings, losses in (({"logarithmic": False}, [4.0, 3.0, 1.0]), ({}, [2.0, 1.0, -1.0])):
        [line] = lines(told(tmp_path / "curve.svg", losses, held_out=False, **settings))
        steps = [below - above for (_, above), (_, below) in zip(line, line[1:])]
        assert steps[1] == pytest.approx(2 * steps[0], abs=0.2)


def test_a_resumed_run_goes_on_with_the_numbers_in_the_picture(tmp_path):
    path = tmp_path / "curve.svg"
    told(path, [4.0, 2.0, 1.0])
    picture = told(path, [0.5], done=2)
    assert [number for number, *_ in json.loads(re.search("<metadata>(.*)</metadata>", picture)[1])] == [1, 2, 3]
    path.write_text("<metadata>[[1]]</metadata>")
    assert points_in(path, 2) == [] and points_in(tmp_path / "gone", 2) == []


def test_what_ended_the_run_is_said_and_no_epoch_is_no_picture(tmp_path):
    assert "(ValueError too &lt;hot&gt;)" in told(tmp_path / "curve.svg", [1.0], trouble=ValueError("too <hot>"))
    assert told(tmp_path / "none.svg", []) == ""
