"""Tests of deploy/rabbitmq/definitions.json on a RabbitMQ: each process and outside system has just its
permissions.
"""
