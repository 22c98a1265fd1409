// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "base/io.h"
#include "base/json.h"
#include "base/unix.h"
#include "vmm/qmp.h"

#define LINE_MAX_BYTES (1 << 20)
#define DEPTH_MAX      32
#define EVENTS_MAX     256
#define SEND_S	       5 /* for a QEMU that does not read */

/* How deep brackets nest in a line: jansson's own limit is a compiled-in 2048. */
static bool is_too_deep(const char *line, size_t len)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (in_string && line[i] == '\\') {
			i++;
		} else if (line[i] == '"') {
			in_string = !in_string;
		} else if (!in_string && (line[i] == '{' || line[i] == '[')) {
			if (++depth > DEPTH_MAX)
				return true;
		} else if (!in_string && (line[i] == '}' || line[i] == ']')) {
			depth--;
		}
	}
	return false;
}

static int fill(struct qmp *qmp, int64_t deadline_us, struct vf_err *err)
{
	ssize_t n;
	int ret;

	if (qmp->used == LINE_MAX_BYTES)
		return vf_err_set(err, EMSGSIZE, "QMP: a line above 1 MiB");
	ret = vf_wait_readable(qmp->fd, qmp->cancel_fd, deadline_us);
	if (ret == -ETIMEDOUT)
		return vf_err_set(err, ETIMEDOUT, "QMP: no answer in time");
	if (ret < 0)
		return vf_err_errno(err, ret, "QMP");
	n = recv(qmp->fd, qmp->buf + qmp->used, LINE_MAX_BYTES - qmp->used, 0);
	if (n < 0 && errno == EINTR)
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return vf_err_errno(err, errno, "QMP");
	if (n <= 0)
		return vf_err_set(err, ECONNRESET,
				  "QMP: QEMU closed the connection");
	qmp->used += (size_t)n;
	return 0;
}

/* Take one line, whole, and parse it. */
static int receive(struct qmp *qmp, json_t **out, int64_t deadline_us,
		   struct vf_err *err)
{
	json_error_t where;
	char *end;
	size_t len;
	int ret;

	/* where there is always one more event nothing else would end */
	if (vf_now_us() > deadline_us)
		return vf_err_set(err, ETIMEDOUT, "QMP: no answer in time");
	while (!(end = memchr(qmp->buf, '\n', qmp->used))) {
		ret = fill(qmp, deadline_us, err);
		if (ret < 0)
			return ret;
	}
	len = (size_t)(end - qmp->buf);
	if (is_too_deep(qmp->buf, len))
		return vf_err_set(err, EBADMSG, "QMP: nested too deeply");
	*out = json_loadb(qmp->buf, len, 0, &where);
	qmp->used -= len + 1;
	memmove(qmp->buf, end + 1, qmp->used);
	if (!json_is_object(*out)) {
		json_decref(*out);
		*out = NULL;
		return vf_err_set(err, EBADMSG, "QMP: not a JSON object");
	}
	return 0;
}

static int transmit(struct qmp *qmp, json_t *request, struct vf_err *err)
{
	__free char *line = json_dumps(request, JSON_COMPACT);
	size_t len, sent = 0;
	ssize_t n;

	if (!line)
		return vf_err_errno(err, ENOMEM, "QMP");
	len = strlen(line);
	line[len++] = '\n'; /* over the NUL, which is not sent */
	/* SO_SNDTIMEO bounds this: QEMU that does not read is as good as dead */
	while (sent < len) {
		n = send(qmp->fd, line + sent, len - sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vf_err_errno(err, errno, "QMP");
		sent += (size_t)n;
	}
	return 0;
}

static void keep_event(struct qmp *qmp, json_t *event)
{
	/* a flood must not become our memory: the oldest go */
	if (json_array_size(qmp->events) == EVENTS_MAX)
		json_array_remove(qmp->events, 0);
	json_array_append(qmp->events, event);
}

/*
 * Is this the answer to that request? An earlier one that was given up may still
 * be answered; what bears no id at all is about the one that is waited for.
 */
static bool is_answer(const json_t *message, json_int_t to)
{
	const json_t *id = json_object_get(message, "id");

	return !id || json_integer_value(id) == to;
}

int qmp_begin(struct qmp *qmp, const char *command, json_t *args,
	      struct vf_err *err)
{
	__json json_t *request = json_pack("{s:s,s:I,s:o*}", "execute", command,
					   "id", ++qmp->last_id, "arguments",
					   args);
	int ret = transmit(qmp, request, err);

	return ret < 0 ? vf_err_wrap(err, "%s", command) : 0;
}

/* Wait for the answer to the request of that number. */
static int await(struct qmp *qmp, json_int_t id, const char *command,
		 json_t **result, int64_t deadline_us, struct vf_err *err)
{
	int ret = 0;

	while (!ret) {
		__json json_t *message = NULL;
		json_t *value;

		ret = receive(qmp, &message, deadline_us, err);
		if (ret < 0)
			break;
		if (json_object_get(message, "event")) {
			keep_event(qmp, message);
			continue;
		}
		if (!is_answer(message, id))
			continue;
		value = json_object_get(message, "return");
		if (value) {
			if (result)
				*result = json_incref(value);
			return 0;
		}
		value = json_object_get(json_object_get(message, "error"),
					"desc");
		if (value)
			return vf_err_set(err, EREMOTEIO, "%s: %.200s", command,
					  json_string_value(value));
	}
	return vf_err_wrap(err, "%s", command);
}

int qmp_end(struct qmp *qmp, const char *command, json_t **result,
	    int64_t deadline_us, struct vf_err *err)
{
	return await(qmp, qmp->last_id, command, result, deadline_us, err);
}

int qmp_execute_all(struct qmp *qmp, const struct qmp_command *commands,
		    unsigned int num, int64_t deadline_us, struct vf_err *err)
{
	json_int_t first = qmp->last_id + 1;
	int ret = 0;

	for (unsigned int i = 0; i < num; i++) {
		if (!ret)
			ret = qmp_begin(qmp, commands[i].name, commands[i].args,
					err);
		else
			json_decref(commands[i].args);
	}
	for (unsigned int i = 0; !ret && i < num; i++)
		ret = await(qmp, first + i, commands[i].name, NULL, deadline_us,
			    err);
	return ret;
}

int qmp_execute(struct qmp *qmp, const char *command, json_t *args,
		json_t **result, int64_t deadline_us, struct vf_err *err)
{
	int ret = qmp_begin(qmp, command, args, err);

	return ret < 0 ? ret : qmp_end(qmp, command, result, deadline_us, err);
}

int qmp_monitor(struct qmp *qmp, const char *line, char *out, size_t size,
		int64_t deadline_us, struct vf_err *err)
{
	__json json_t *result = NULL;
	int ret = qmp_execute(qmp, "human-monitor-command",
			      json_pack("{s:s}", "command-line", line), &result,
			      deadline_us, err);

	if (ret < 0)
		return ret;
	if (!json_is_string(result))
		return vf_err_set(err, EBADMSG, "%s: no text", line);
	snprintf(out, size, "%s", json_string_value(result));
	return 0;
}

static bool event_is(const json_t *event, const char *const names[])
{
	const char *value = json_string_value(json_object_get(event, "event"));

	for (; value && *names; names++)
		if (!strcmp(value, *names))
			return true;
	return false;
}

int qmp_wait_events(struct qmp *qmp, const char *const names[], json_t **event,
		    int64_t deadline_us, struct vf_err *err)
{
	size_t i = 0;
	int ret;

	for (;;) {
		for (; i < json_array_size(qmp->events); i++) {
			json_t *e = json_array_get(qmp->events, i);

			if (!event_is(e, names))
				continue;
			if (event)
				*event = json_incref(e);
			json_array_remove(qmp->events, i);
			return 0;
		}

		__json json_t *message = NULL;

		ret = receive(qmp, &message, deadline_us, err);
		if (ret < 0)
			return vf_err_wrap(err, "waiting for %s", names[0]);
		if (json_object_get(message, "event"))
			keep_event(qmp, message);
		i = 0;
	}
}

int qmp_wait_event(struct qmp *qmp, const char *name, json_t **event,
		   int64_t deadline_us, struct vf_err *err)
{
	const char *const names[] = { name, NULL };

	return qmp_wait_events(qmp, names, event, deadline_us, err);
}

void qmp_forget_events(struct qmp *qmp)
{
	json_array_clear(qmp->events);
}

int64_t qmp_event_us(const json_t *event)
{
	const json_t *stamp = json_object_get(event, "timestamp");
	int64_t s = json_integer_value(json_object_get(stamp, "seconds"));
	int64_t us = json_integer_value(json_object_get(stamp, "microseconds"));
	struct timespec wall;

	if (s <= 0)
		return 0;
	clock_gettime(CLOCK_REALTIME, &wall);
	return vf_now_us() -
	       ((wall.tv_sec - s) * 1000000 + wall.tv_nsec / 1000 - us);
}

static int say_busy(struct vf_err *err)
{
	return vf_err_set(err, EBUSY,
			  "QMP: no greeting: another command is connected to "
			  "this VM, or its engine is stopped");
}

static int socket_connect(int dir_fd, const char *name, int cancel_fd,
			  int64_t deadline_us, struct vf_err *err)
{
	struct timeval send_timeout = { .tv_sec = SEND_S };
	int fd = vf_unix_connect(dir_fd, name, cancel_fd, deadline_us);

	if (fd == -ETIMEDOUT)
		return say_busy(err);
	if (fd < 0)
		return vf_err_errno(err, fd, "QMP: %s", name);
	files_lift(&fd);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &send_timeout,
		   sizeof(send_timeout));
	return fd;
}

static int greet(struct qmp *qmp, int64_t deadline_us, struct vf_err *err)
{
	__json json_t *greeting = NULL;
	/* QEMU may read it as soon as it listens, and not once we wake up */
	int ret = qmp_begin(qmp, "qmp_capabilities", NULL, err);

	if (ret < 0)
		return ret;
	ret = receive(qmp, &greeting, deadline_us, err);
	if (ret == -ETIMEDOUT)
		return say_busy(err);
	if (ret < 0)
		return ret;
	return qmp_end(qmp, "qmp_capabilities", NULL, deadline_us, err);
}

int qmp_open(struct qmp *qmp, int dir_fd, const char *name, int cancel_fd,
	     int64_t deadline_us, struct vf_err *err)
{
	*qmp = (struct qmp){ .fd = -1, .cancel_fd = cancel_fd };
	qmp->events = json_array();
	qmp->buf = calloc(1, LINE_MAX_BYTES);
	if (!qmp->buf || !qmp->events)
		return vf_err_errno(err, ENOMEM, "QMP");
	qmp->fd = socket_connect(dir_fd, name, cancel_fd, deadline_us, err);
	if (qmp->fd < 0)
		return qmp->fd;
	return greet(qmp, deadline_us, err);
}

void qmp_close(struct qmp *qmp)
{
	if (qmp->fd >= 0)
		close(qmp->fd);
	qmp->fd = -1;
	free(qmp->buf);
	qmp->buf = NULL;
	json_decref(qmp->events);
	qmp->events = NULL;
}
