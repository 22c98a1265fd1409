// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/unix.h"
#include "bench/shell.h"

#define OUTPUT_BYTES 65536
#define AGAIN_US     1000000 /* how long an empty line may be without answer */

/* What stands between the tag and the end of its line; NULL: not yet there. */
static const char *find_result(const char *text, const char *tag)
{
	const char *p = strstr(text, tag);

	return p && strchr(p, '\n') ? p + strlen(tag) : NULL;
}

/* Read until the tag's line is complete. */
static int read_result(int fd, const char *tag, int64_t deadline_us,
		       char *output, const char **result)
{
	size_t used = 0;

	while (!(*result = find_result(output, tag))) {
		int ret = vf_wait_readable(fd, -1, deadline_us);
		ssize_t n;

		if (ret < 0)
			return ret;
		n = read(fd, output + used, OUTPUT_BYTES - used);
		if (n <= 0)
			return -ECONNRESET;
		used += (size_t)n;
		output[used] = '\0';
	}
	return 0;
}

/*
 * Have the shell run something. The format gets the two halves of a tag, which
 * is cut in two so that the echo of the line is no result.
 */
static int converse(const struct vm *vm, const char *format,
		    const char *commands, int timeout_ms, char *output,
		    const char **result)
{
	int64_t deadline_us = vf_now_us() + (int64_t)timeout_ms * 1000;
	__close int fd = vf_unix_connect(vm->run_fd, VMM_CONSOLE_SOCKET, -1,
					 deadline_us);
	char script[4096], tag[17];
	uint64_t random;
	int ret;

	if (fd < 0)
		return fd;
	ret = vf_random(&random, sizeof(random));
	if (ret < 0)
		return ret;
	snprintf(tag, sizeof(tag), "%016" PRIx64, random);
	snprintf(script, sizeof(script), format, commands, tag, tag + 8);
	ret = vf_write_all(fd, script, strlen(script));
	return ret ? ret : read_result(fd, tag, deadline_us, output, result);
}

/* "status s.us s.us" */
static int parse_times(const char *text, int64_t *us)
{
	int64_t s[2], frac[2];
	int status;

	if (sscanf(text, " %d %" SCNd64 ".%6" SCNd64 " %" SCNd64 ".%6" SCNd64,
		   &status, &s[0], &frac[0], &s[1], &frac[1]) != 5)
		return -EBADMSG;
	*us = (s[1] - s[0]) * 1000000 + frac[1] - frac[0];
	return status ? -EIO : 0;
}

int shell_time(const struct vm *vm, const char *commands, int64_t *us,
	       int timeout_ms, struct vf_err *err)
{
	static const char format[] = "\na=$EPOCHREALTIME; ( set -e; %s ); "
				     "r=$?; b=$EPOCHREALTIME; echo; "
				     "echo %.8s''%s $r $a $b\n";
	__free char *output = calloc(1, OUTPUT_BYTES + 1);
	const char *result = "";
	int ret = output ? converse(vm, format, commands, timeout_ms, output,
				    &result)
			 : -ENOMEM;

	if (!ret)
		ret = parse_times(result, us);
	return ret < 0 ? vf_err_errno(err, ret, "VM %s: shell", vm->name) : 0;
}

int shell_ask(const struct vm *vm, const char *command, uint64_t *value,
	      int timeout_ms, struct vf_err *err)
{
	static const char format[] = "\nv=$( %s ); r=$?; echo; "
				     "echo %.8s''%s $r $v\n";
	__free char *output = calloc(1, OUTPUT_BYTES + 1);
	const char *result = "";
	int status, ret = output ? converse(vm, format, command, timeout_ms,
					    output, &result)
				 : -ENOMEM;

	if (!ret && sscanf(result, " %d %" SCNi64, &status, value) != 2)
		ret = -EIO;
	return ret < 0 ? vf_err_errno(err, ret, "VM %s: shell", vm->name) : 0;
}

int shell_line(const struct vm *vm, const char *commands, char *line,
	       size_t size, int timeout_ms, struct vf_err *err)
{
	static const char format[] = "\nv=$( %s ); echo; "
				     "echo %.8s''%s \"$v\"\n";
	__free char *output = calloc(1, OUTPUT_BYTES + 1);
	const char *result = "";
	int ret = output ? converse(vm, format, commands, timeout_ms, output,
				    &result)
			 : -ENOMEM;

	if (ret < 0)
		return vf_err_errno(err, ret, "VM %s: shell", vm->name);
	result += strspn(result, " ");
	snprintf(line, size, "%.*s", (int)strcspn(result, "\r\n"), result);
	vf_ascii(line);
	return 0;
}

/* What ends with the prompt of root's shell, within a while. */
static int read_prompt(int fd, int cancel_fd, int64_t until_us)
{
	char output[4096], last = '\0';
	ssize_t n;
	int ret;

	for (;;) {
		ret = vf_wait_readable(fd, cancel_fd, until_us);
		if (ret < 0)
			return ret;
		n = read(fd, output, sizeof(output));
		if (n <= 0)
			return -ECONNRESET;
		if (output[n - 1] == ' ' &&
		    (n > 1 ? output[n - 2] : last) == '#')
			return 0;
		last = output[n - 1];
	}
}

int shell_await(const struct vm *vm, int cancel_fd, int timeout_ms,
		struct vf_err *err)
{
	int64_t deadline_us = vf_now_us() + (int64_t)timeout_ms * 1000;
	__close int fd = vf_unix_connect(vm->run_fd, VMM_CONSOLE_SOCKET,
					 cancel_fd, deadline_us);
	int ret = fd < 0 ? fd : -ETIMEDOUT;

	while (ret == -ETIMEDOUT && vf_now_us() < deadline_us) {
		ret = vf_write_all(fd, "\n", 1);
		if (!ret)
			ret = read_prompt(fd, cancel_fd,
					  vf_now_us() + AGAIN_US);
	}
	if (ret == -ECANCELED)
		return vf_err_set(err, ECANCELED, "interrupted");
	return ret < 0 ? vf_err_errno(err, ret, "VM %s: shell", vm->name) : 0;
}
