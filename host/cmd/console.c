// SPDX-License-Identifier: MIT
#include <errno.h>
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

	if (fd == -ECONNREFUSED) {
		vf_err_set(err, ESRCH, "VM %s: not running", vm->name);
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

/* Move what is there from one side to the other. Return: bytes, 0 at the end. */
static ssize_t move(int from_fd, int to_fd, bool escapable)
{
	char buf[4096];
	ssize_t n;

	do
		n = read(from_fd, buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	if (n <= 0 || (escapable && memchr(buf, ESCAPE, (size_t)n)))
		return 0;
	return vf_write_all(to_fd, buf, (size_t)n) < 0 ? 0 : n;
}

/* Until standard input ends, the guest's side ends, or the user has enough. */
static void bridge(int fd, bool is_terminal, int cancel_fd)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
		{ .fd = cancel_fd, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return;
		if (fds[2].revents)
			return;
		if (fds[1].revents && move(fd, STDOUT_FILENO, false) <= 0)
			return;
		if (fds[0].revents && move(STDIN_FILENO, fd, is_terminal) <= 0)
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
