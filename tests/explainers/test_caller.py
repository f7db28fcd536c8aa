"""Calls over real HTTP to a server that misbehaves: tries, waits, failures, budget, cache, keys."""

import contextlib
import json
import logging
import pickle
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from gearscope.errors import ConfigError, ModelError
from gearscope.explainers.agent import TestingAnswer
from gearscope.explainers.budget import ADDED_TOKENS
from gearscope.explainers.caller import NOT_ASKED, most_usage
from gearscope.explainers.clients.opening import client_of, source_of
from gearscope.explainers.clients.sdks import sdk
from gearscope.explainers.config import CallConfig
from gearscope.explainers.hosts import Key
from gearscope.explainers.pool import run_all
from gearscope.explainers.prompts import LabelAnswer, label_ask
from gearscope.explainers.protocol import Usage
from gearscope.explainers.retry import seconds_asked
from gearscope.explainers.scorers.intruder import Intruder
from gearscope.explainers.scorers.judging import Verdicts
from gearscope.explainers.scorers.simulation import Levels
from tests.explainers.brains import by_rule
from tests.explainers.conftest import KEY, SMALL
from tests.oracles.stub_models import INPUT_TOKENS, OUTPUT_TOKENS, StubModels, Trouble

CALL = SMALL.call


def ask(name="a"):
    return label_ask("say it", [f"<promotes>\n{json.dumps(name)}\n</promotes>"])


def labels(outcomes):
    return [outcome.answer and outcome.answer.label for outcome in outcomes]


def test_an_answer_its_usage_and_what_is_sent(stub, provider, caller_for):
    caller = caller_for(stub, provider)
    (outcome,) = caller.all([ask("zebra")])
    assert outcome.answer == LabelAnswer(label="says zebra")
    assert outcome.usage == Usage(INPUT_TOKENS, OUTPUT_TOKENS)
    (seen,) = stub.seen
    assert seen.body["model"] == "stub-1"
    assert "temperature" not in seen.body
    assert KEY in (seen.headers.get("x-api-key"), seen.headers.get("authorization", "").removeprefix("Bearer "))


@pytest.mark.parametrize("structured", ["object", "text"])
def test_servers_without_schemas_are_told_the_form_in_words(stub, caller_for, structured):
    stub.always = Trouble(text='Sure!\n```json\n{"label": "in a fence"}\n```')
    caller = caller_for(stub, config=CALL.model_copy(update={"structured": structured, "temperature": 0.5}))
    assert labels(caller.all([ask()])) == ["in a fence"]
    body = stub.seen[0].body
    assert body.get("response_format") == ({"type": "json_object"} if structured == "object" else None)
    assert '"title": "LabelAnswer"' in body["messages"][0]["content"]
    assert body["temperature"] == 0.5


def test_retry_after_is_waited_for_by_all(stub, provider, caller_for):
    stub.trouble = [Trouble(status=429, headers={"retry-after": "0.4"})]
    caller = caller_for(stub, provider, CALL.model_copy(update={"concurrency": 1}))
    assert labels(caller.all([ask("a"), ask("b")])) == ["says a", "says b"]
    first, second, _ = (seen.at for seen in stub.seen)
    assert second - first >= 0.4
    assert caller.tally.failures == {}
    assert caller.tally.asked == 3


def test_who_asks_for_too_much_patience_is_not_waited_for(stub, caller_for):
    stub.trouble = [Trouble(status=429, headers={"retry-after": "7200"})]
    (outcome,) = caller_for(stub).all([ask()])
    assert outcome.failure == "rate limited"
    assert len(stub.seen) == 1


@pytest.mark.parametrize("status", [500, 503, 529, 408])
def test_a_server_in_trouble_is_asked_again(stub, provider, caller_for, status):
    stub.trouble = [Trouble(status=status)] * 2
    assert labels(caller_for(stub, provider).all([ask()])) == ["says a"]
    assert len(stub.seen) == 3


@pytest.mark.parametrize(
    ("trouble", "kind", "requests"),
    [
        (Trouble(status=500), "server error", 3),
        (Trouble(status=429), "rate limited", 3),
        (Trouble(status=400), "bad request", 1),
        (Trouble(status=307, headers={"location": "http://127.0.0.1:9/"}), "bad request", 1),
        (Trouble(text='{"label": "cut in the mi'), "malformed", 2),
        (Trouble(text=""), "malformed", 2),
        (Trouble(text='{"lable": "another name"}'), "malformed", 2),
        (Trouble(text='{"label": 7}'), "malformed", 2),
        (Trouble(text='{"label": "x", "more": 1}'), "malformed", 2),
        (Trouble(text='{"label": " \\u200b "}'), "malformed", 2),
        (Trouble(text='{"label": "x"}', stop="cut"), "cut off", 1),
        (Trouble(text="I will not", stop="refused"), "refused", 1),
        (Trouble(body='{"choices": [{"mess'), "malformed", 2),
        (Trouble(body=""), "malformed", 2),
        (Trouble(body="null"), "malformed", 2),
        (Trouble(body="[" * 100_000), "malformed", 2),
        (Trouble(body='{"choices": [7], "content": 7, "usage": {"input_tokens": "x"}}'), "malformed", 2),
    ],
)
def test_a_call_that_fails_is_nothing_and_is_counted(stub, provider, caller_for, tmp_path, trouble, kind, requests):
    stub.always = trouble
    caller = caller_for(stub, provider, CALL.model_copy(update={"attempts": 3}))
    (outcome,) = caller.all([ask()])
    assert (outcome.answer, outcome.failure) == (None, kind)
    assert len(stub.seen) == caller.tally.asked == requests
    assert caller.tally.failures == {kind: 1}
    assert KEY not in str(caller.tally)
    assert not list(tmp_path.rglob("*.json"))


def test_a_reply_that_does_not_come_in_time(stub, provider, caller_for):
    stub.always = Trouble(seconds=30)
    config = CALL.model_copy(update={"timeout": 1.0, "attempts": 2})
    caller = caller_for(stub, provider, config, prices=(1.0, 1.0))
    (outcome,) = caller.all([ask()])
    assert outcome.failure == "timed out"
    assert len(stub.seen) == 2
    most = most_usage(ask(), config)
    assert caller.meter.spent == (0, 0, pytest.approx(2 * sum(most) / 1e6), 2)


def test_nobody_there(caller_for):
    with StubModels(lambda _: None) as gone:
        pass
    caller = caller_for(gone, config=CALL.model_copy(update={"attempts": 2}))
    (outcome,) = caller.all([ask()])
    assert outcome.failure == "no connection"
    assert caller.meter.spent.unknown == 0


@pytest.mark.parametrize(
    ("status", "said"), [(401, "takes the key in SOME_KEY"), (403, "takes"), (404, "has this model")]
)
def test_what_can_never_succeed_ends_the_run(stub, provider, caller_for, status, said):
    stub.always = Trouble(status=status)
    caller = caller_for(stub, provider)
    with pytest.raises(ConfigError, match=said) as caught:
        caller.all([ask(str(number)) for number in range(20)])
    assert len(stub.seen) <= CALL.concurrency
    assert "not with [key]" in str(caught.value)  # the server gave the key back
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_too_many_failures_in_a_row_end_the_run(stub, caller_for):
    stub.always = Trouble(status=400)
    with pytest.raises(ModelError, match="4 failures in a row, bad request"):
        caller_for(stub, config=CALL.model_copy(update={"give_up": 4, "concurrency": 1})).all(
            [ask(str(n)) for n in range(9)]
        )
    assert len(stub.seen) == 4


def test_redirects_are_not_followed(stub, provider, caller_for):
    with StubModels(lambda _: {"label": "elsewhere"}) as other:
        stub.always = Trouble(status=308, headers={"location": f"{other.url}/v1/messages"})
        assert labels(caller_for(stub, provider).all([ask()])) == [None]
        assert not other.seen


def test_no_proxy_of_the_environment_stands_before_this_machine(stub, provider, caller_for, monkeypatch):
    with StubModels(lambda _: {"label": "by proxy"}) as proxy:
        for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(variable, proxy.url)
        for variable in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(variable, raising=False)
        assert labels(caller_for(stub, provider).all([ask()])) == ["says a"]
        assert not proxy.seen


def test_calls_under_way_are_bounded(stub, caller_for):
    """Each reply waits for two others: fewer calls at a time would never end, and more would be seen."""
    together = threading.Barrier(CALL.concurrency, timeout=20)

    def brain(question):
        together.wait()
        return by_rule(question)

    stub.brain = brain
    outcomes = caller_for(stub).all([ask(str(number)) for number in range(9)])
    assert labels(outcomes) == [f"says {number}" for number in range(9)]
    assert stub.most_under_way == CALL.concurrency == 3


# The cache


def test_what_was_answered_is_not_asked_again(stub, provider, caller_for, tmp_path):
    asks = [ask("a"), ask("b")]
    caller_for(stub, provider).all(asks)
    again = caller_for(stub, provider, prices=(1.0, 1.0), cap=0.0)
    outcomes = again.all(asks)
    assert labels(outcomes) == ["says a", "says b"]
    assert all(outcome.cached for outcome in outcomes)
    assert len(stub.seen) == 2
    assert again.meter.spent.dollars == 0
    stored = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert stored.count("says") == 2
    assert KEY not in stored
    assert "promotes" not in stored


def test_another_model_setting_or_server_is_another_request(stub, caller_for):
    caller_for(stub).all([ask()])
    caller_for(stub, model="stub-2").all([ask()])
    caller_for(stub, "anthropic").all([ask()])
    caller_for(stub, config=CALL.model_copy(update={"max_tokens": 100})).all([ask()])
    assert len(stub.seen) == 4
    caller_for(stub, config=CALL.model_copy(update={"timeout": 9.0, "attempts": 2})).all([ask()])
    assert len(stub.seen) == 4


@pytest.mark.parametrize(
    "damage", ["", "{", '{"answer": {"label": 3}, "usage": null}', '{"answer": {"label": ""}, "usage": null}', "[]"]
)
def test_a_damaged_reply_is_asked_for_again(stub, caller_for, tmp_path, damage):
    caller_for(stub).all([ask()])
    (path,) = tmp_path.rglob("*.json")
    path.write_text(damage)
    assert labels(caller_for(stub).all([ask()])) == ["says a"]
    assert len(stub.seen) == 2
    assert json.loads(path.read_text())["answer"] == {"label": "says a"}


# The budget


def test_the_budget_is_never_passed(stub, provider, caller_for):
    asks = [ask(str(number)) for number in range(30)]
    cost = (INPUT_TOKENS * 2 + OUTPUT_TOKENS * 10) / 1e6
    most = most_usage(asks[0], CALL)
    greatest = (most.input * 2 + most.output * 10) / 1e6
    cap = 4 * cost + greatest
    caller = caller_for(stub, provider, prices=(2.0, 10.0), cap=cap)
    outcomes = caller.all(asks)
    answered = [outcome for outcome in outcomes if outcome.answer is not None]
    assert {outcome.failure for outcome in outcomes if outcome.answer is None} == {NOT_ASKED}
    assert caller.meter.spent.dollars == pytest.approx(cost * len(answered))
    assert caller.meter.spent.dollars <= cap
    assert 1 <= len(answered) == len(stub.seen) <= 5
    assert caller.tally.not_asked == 30 - len(answered)
    assert caller.tally.failures == {}


def test_one_call_at_a_time_spends_as_far_as_the_next_would_still_fit(stub, caller_for):
    cost = (INPUT_TOKENS * 2 + OUTPUT_TOKENS * 10) / 1e6
    most = most_usage(ask("0"), CALL)
    cap = 4 * cost + (most.input * 2 + most.output * 10) / 1e6 + 1e-9
    caller = caller_for(stub, config=CALL.model_copy(update={"concurrency": 1}), prices=(2.0, 10.0), cap=cap)
    caller.all([ask(str(number)) for number in range(9)])
    assert len(stub.seen) == 5


def test_what_the_host_does_not_say_is_counted_at_its_most(stub, provider, caller_for):
    stub.always = Trouble(no_usage=True)
    caller = caller_for(stub, provider, prices=(1.0, 2.0))
    caller.all([ask()])
    most = most_usage(ask(), CALL)
    assert caller.meter.spent == (0, 0, pytest.approx((most.input + 2 * most.output) / 1e6), 1)
    assert most.input >= ADDED_TOKENS + len(ask().messages[0].content)


def test_a_budget_needs_prices(stub, caller_for):
    with pytest.raises(ConfigError, match="prices were expected with --budget"):
        caller_for(stub, cap=1.0)


# Keys and packages


def test_a_key_is_in_nothing_that_can_be_printed(stub, provider, monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    client = client_of(source_of(provider, "m", stub.url, "SOME_KEY"), CallConfig())
    assert KEY not in repr(client)
    assert KEY not in repr(Key(KEY, "SOME_KEY"))
    with pytest.raises(TypeError, match="keys are not stored"):
        pickle.dumps(Key(KEY, "SOME_KEY"))


@pytest.mark.parametrize("written", [KEY, "\\u0073k" + KEY[2:]])
def test_a_key_that_a_reply_gives_back_is_taken_out(stub, provider, caller_for, tmp_path, written):
    stub.always = Trouble(text=f'{{"label": "your key is {written}"}}')
    caller = caller_for(stub, provider)
    assert labels(caller.all([ask()])) == ["your key is [key]"]
    assert KEY not in "".join(path.read_text() for path in tmp_path.rglob("*.json"))


@pytest.mark.parametrize("status", [200, 401, 500])
def test_a_key_is_in_no_log_of_the_sdks(stub, provider, caller_for, caplog, status):
    for name in ("openai", "anthropic", "httpx2", "httpcore2"):
        caplog.set_level(logging.DEBUG, logger=name)
    stub.always = Trouble(status=status, body=None if status == 200 else "{}")
    with contextlib.suppress(ConfigError):
        caller_for(stub, provider, CALL.model_copy(update={"attempts": 2})).all([ask()])
    assert stub.seen
    assert caplog.text
    assert KEY not in caplog.text


SCHEMAS = (LabelAnswer, TestingAnswer, Verdicts, Levels, Intruder)


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
def test_schemas_keep_to_what_both_protocols_take(schema):
    """Closed objects whose keys are all required, and no bounds: strict modes refuse more than that."""
    whole = schema.model_json_schema()
    objects = [whole, *whole.get("$defs", {}).values()]
    for one in objects:
        assert one["additionalProperties"] is False
        assert set(one["required"]) == set(one["properties"])
        for part in one["properties"].values():
            assert set(part) <= {"type", "title", "description", "items"}
            assert set(part.get("items", {})) <= {"type", "$ref"}


def test_a_missing_package_names_the_extra():
    with pytest.raises(ConfigError, match=r"pip install 'gearscope\[labels\]'"):
        sdk("no_such_sdk_of_ours")


# Waits and jobs


def test_what_headers_ask_to_wait():
    soon = datetime.now(UTC) + timedelta(seconds=90)
    assert seconds_asked({}) is None
    assert seconds_asked({"retry-after": "2.5"}) == 2.5
    assert seconds_asked({"retry-after": "-3"}) == 0
    assert seconds_asked({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert 80 < seconds_asked({"retry-after": format_datetime(soon, usegmt=True)}) <= 90
    assert seconds_asked({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert seconds_asked({"retry-after": "in a while"}) is None


def test_one_job_that_raises_ends_all():
    stopped, begun = threading.Event(), []

    def job(number):
        begun.append(number)
        if number == 2:
            raise ModelError("three")
        time.sleep(0.01)

    with pytest.raises(ModelError, match="three"):
        run_all([lambda n=n: job(n) for n in range(100)], workers=2, stopped=stopped)
    assert stopped.is_set()
    assert len(begun) < 100
