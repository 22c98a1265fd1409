/* SPDX-License-Identifier: MIT */
/*
 * QEMU's machine protocol: one connection, answers in the order of requests,
 * events kept until somebody asks for them. What the peer sends is not trusted: a line is
 * at most 1 MiB and 32 levels deep, and every wait ends.
 *
 * QEMU serves one client at a time. A second one is accepted by the kernel and
 * then hears nothing, which is why even the greeting has a deadline.
 */
#ifndef VF_QMP_H
#define VF_QMP_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct qmp {
	int fd;
	int cancel_fd; /* readable: give up; -1: none */
	char *buf;
	size_t used;
	json_int_t last_id; /* of the last request */
	json_t *events;	    /* array of those nobody has asked for yet */
};

/**
 * qmp_open() - Connect, read the greeting, leave negotiation mode
 * @qmp:	out: connection; qmp_close() it, also after a failure
 * @dir_fd:	directory of the socket
 * @name:	its name
 * @cancel_fd:	becomes readable when the user gives up; -1: never
 * @deadline_us: on vf_now_us()'s clock
 * @err:	error
 *
 * Return: 0 or -errno, -EBUSY if another client is served,
 * -ECONNRESET if QEMU ends
 */
int qmp_open(struct qmp *qmp, int dir_fd, const char *name, int cancel_fd,
	     int64_t deadline_us, struct vf_err *err);

/**
 * qmp_close() - End the connection
 * @qmp:	connection
 */
void qmp_close(struct qmp *qmp);

/**
 * qmp_execute() - Run a command
 * @qmp:	connection
 * @command:	its name
 * @args:	its arguments, an object whose reference is taken; or NULL
 * @result:	out: what it returned, a new reference; or NULL
 * @deadline_us: see qmp_open()
 * @err:	error
 *
 * Return: 0 or -errno, -EREMOTEIO if QEMU refused (its reason in @err)
 */
int qmp_execute(struct qmp *qmp, const char *command, json_t *args,
		json_t **result, int64_t deadline_us, struct vf_err *err);

/* A command and its arguments: an object, or NULL. */
struct qmp_command {
	const char *name;
	json_t *args;
};

/**
 * qmp_execute_all() - Run commands, sent together: one wait instead of several
 * @qmp:	connection
 * @commands:	commands; the references of their arguments are taken
 * @num:	how many
 * @deadline_us: see qmp_open()
 * @err:	error
 *
 * Those after one that QEMU refused are carried out all the same.
 *
 * Return: 0 or -errno of the first that failed, -EREMOTEIO if QEMU refused it
 */
int qmp_execute_all(struct qmp *qmp, const struct qmp_command *commands,
		    unsigned int num, int64_t deadline_us, struct vf_err *err);

/**
 * qmp_begin() - Send a command; qmp_end() takes its answer
 * @qmp:	connection
 * @command:	its name
 * @args:	see qmp_execute()
 * @err:	error
 *
 * Return: 0 or -errno: then there is no answer to wait for
 */
int qmp_begin(struct qmp *qmp, const char *command, json_t *args,
	      struct vf_err *err);

/**
 * qmp_end() - Wait for the answer to qmp_begin()
 * @qmp:	connection
 * @command:	the command, for the error
 * @result:	see qmp_execute()
 * @deadline_us: see qmp_open()
 * @err:	error
 *
 * Return: see qmp_execute()
 */
int qmp_end(struct qmp *qmp, const char *command, json_t **result,
	    int64_t deadline_us, struct vf_err *err);

/**
 * qmp_monitor() - Run a command of the human monitor
 * @qmp:	connection
 * @line:	the command
 * @out:	what it printed, cut to fit
 * @size:	room in @out
 * @deadline_us: see qmp_open()
 * @err:	error
 *
 * Return: 0 or -errno
 */
int qmp_monitor(struct qmp *qmp, const char *line, char *out, size_t size,
		int64_t deadline_us, struct vf_err *err);

/**
 * qmp_wait_event() - Take the oldest event of a name, waiting for it if need be
 * @qmp:	connection
 * @name:	its name
 * @event:	out: the event, a new reference; or NULL
 * @deadline_us: see qmp_open()
 * @err:	error
 *
 * Return: 0 or -errno
 */
int qmp_wait_event(struct qmp *qmp, const char *name, json_t **event,
		   int64_t deadline_us, struct vf_err *err);

/**
 * qmp_wait_events() - qmp_wait_event() for the first of several
 * @qmp:	connection
 * @names:	their names; ends with NULL
 * @event:	out: the event, a new reference; or NULL
 * @deadline_us: see qmp_open()
 * @err:	error
 *
 * Return: 0 or -errno
 */
int qmp_wait_events(struct qmp *qmp, const char *const names[], json_t **event,
		    int64_t deadline_us, struct vf_err *err);

/**
 * qmp_forget_events() - Drop those that nobody asked for: they are of the past
 * @qmp:	connection
 */
void qmp_forget_events(struct qmp *qmp);

/**
 * qmp_event_us() - When did an event happen?
 * @event:	event; its timestamp is wall-clock time
 *
 * Return: on vf_now_us()'s clock; 0 if the event bears no time
 */
int64_t qmp_event_us(const json_t *event);

#endif
