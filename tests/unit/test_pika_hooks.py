"""Tests of what pika 1 has below its blocking connection, which our window of confirms uses."""

import inspect

from pika import BlockingConnection, SelectConnection
from pika.adapters.blocking_connection import BlockingChannel
from pika.connection import Connection


def test_the_blocking_connection_wraps_one_with_an_event_loop_that_can_be_turned() -> None:
    assert "self._impl" in inspect.getsource(BlockingConnection.__init__)
    turned = inspect.getsource(BlockingConnection._flush_output)
    assert "self._impl.ioloop.poll()" in turned
    assert "self._impl.ioloop.process_timeouts()" in turned
    assert isinstance(vars(SelectConnection).get("ioloop") or SelectConnection.ioloop, property)


def test_the_blocking_channel_wraps_one_whose_confirms_can_be_heard() -> None:
    assert "self._impl" in inspect.getsource(BlockingChannel.__init__)
    heard = inspect.getsource(BlockingChannel.confirm_delivery)
    assert "self._impl.confirm_delivery(" in heard
    assert "ack_nack_callback=" in heard


def test_a_channel_can_be_opened_without_waiting_for_it() -> None:
    assert "on_open_callback" in inspect.signature(Connection.channel).parameters
    assert "self._impl.channel(" in inspect.getsource(BlockingConnection.channel)


def test_a_connection_takes_frames_that_are_marshalled_already() -> None:
    frames = list(inspect.signature(Connection._output_marshaled_frames).parameters)
    assert frames == ["self", "marshaled_frames"]
    assert "self._output_marshaled_frames(" in inspect.getsource(Connection._send_message)


def test_a_connection_can_be_ended_without_the_brokers_answer() -> None:
    assert list(inspect.signature(Connection._terminate_stream).parameters) == ["self", "error"]
