// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>

#include "base/io.h"
#include "base/unix.h"
#include "cmd/cmd.h"
#include "core/vm.h"

#define CONNECT_US 5000000
#define ESCAPE	   0x1d /* Ctrl-], as in telnet */

static int console_connect(const struct vm *vm, int cancel_fd,
			   struct vf_err *err)
{
	int fd = vf_unix_connect(vm->run_fd, VMM_CONSOLE_SOCKET, cancel_fd,
				 vf_now_us() + CONNECT_US);

	if (fd == -ECONNREFUSED || fd == -ENOENT) {
		vf_err_set(err, ESRCH, "VM %s: not running", vm->name);
		if (vm_is_kept(vm))
			vf_err_hint(err, "'vmfork start %s' boots it again",
				    vm->name);
		return -ESRCH;
	}
	if (fd < 0)
		return vf_err_errno(err, fd, "VM %s: console", vm->name);
	return fd;
}

/* A terminal hands over each key; the guest's own terminal does the editing. */
static bool terminal_raw(struct termios *saved)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, saved) < 0)
		return false;
	raw = *saved;
	cfmakeraw(&raw);
	return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

/* One direction; what was read and not written yet waits in it. */
struct stream {
	int from_fd;
	int to_fd;
	bool is_escapable;
	size_t at;
	size_t len;
	char buf[PIPE_BUF]; /* as much as a pipe takes that says it can */
};

/* What has to happen next. Neither side is read faster than the other takes it. */
static struct pollfd stream_awaits(const struct stream *s)
{
	return s->len ? (struct pollfd){ .fd = s->to_fd, .events = POLLOUT }
		      : (struct pollfd){ .fd = s->from_fd, .events = POLLIN };
}

/* Do what can be done without waiting. Return: false at the end */
static bool stream_move(struct stream *s)
{
	ssize_t n;

	if (!s->len) {
		n = read(s->from_fd, s->buf, sizeof(s->buf));
		if (n <= 0)
			return n < 0 && (errno == EINTR || errno == EAGAIN);
		s->at = 0;
		s->len = (size_t)n;
		return !s->is_escapable || !memchr(s->buf, ESCAPE, s->len);
	}
	n = write(s->to_fd, s->buf + s->at, s->len);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	s->at += (size_t)n;
	s->len -= (size_t)n;
	return true;
}

/*
 * Until standard input ends, the guest's side ends, or the user has enough, also
 * where a guest takes nothing of what it is told.
 */
static void bridge(int fd, bool is_terminal, int cancel_fd)
{
	struct stream in = { .from_fd = STDIN_FILENO,
			     .to_fd = fd,
			     .is_escapable = is_terminal };
	struct stream out = { .from_fd = fd, .to_fd = STDOUT_FILENO };

	for (;;) {
		struct pollfd fds[] = {
			stream_awaits(&out),
			stream_awaits(&in),
			{ .fd = cancel_fd, .events = POLLIN },
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return;
		if (fds[2].revents)
			return;
		if (fds[0].revents && !stream_move(&out))
			return;
		if (fds[1].revents && !stream_move(&in))
			return;
	}
}

static int talk(struct cmd *cmd, const struct vf_state *state, void *ctx,
		struct vf_err *err)
{
	struct termios saved;
	bool is_terminal;
	struct vm vm;
	int fd = -1, ret = vm_open(&vm, state, ctx, err);

	if (!ret)
		fd = ret = console_connect(&vm, cmd->cancel_fd, err);
	vm_close(&vm);
	if (ret < 0)
		return ret;
	/* ours alone, unlike standard output */
	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	is_terminal = terminal_raw(&saved);
	bridge(fd, is_terminal, cmd->cancel_fd);
	if (is_terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	close(fd);
	return CMD_EXIT_DONE;
}

int cmd_console(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	const struct usage usage = {
		"VM",
		"Talk to a VM's console. Ctrl-] on a terminal, or the end of\n"
		"standard input, leaves it. There is no --json.",
		NULL,
		1,
		1,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	if (cmd->json)
		return cmd_usage_error(cmd, err, "has no --json");
	return cmd_read(cmd, talk, argv[0], err);
}
