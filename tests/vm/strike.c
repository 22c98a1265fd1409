// SPDX-License-Identifier: MIT
/*
 * To be preloaded into vmfork: at the moment that it sends its engine a certain
 * word, somebody is killed.
 *
 *	STRIKE_WORD	the word
 *	STRIKE_AT	"before" it is sent, or "after"
 *	STRIKE_PID	whom to kill; if not set, who sends
 */
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void strike(void)
{
	const char *pid = getenv("STRIKE_PID");

	kill(pid ? (pid_t)strtol(pid, NULL, 10) : getpid(), SIGKILL);
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	const char *word = getenv("STRIKE_WORD"), *at = getenv("STRIKE_AT");
	bool hit = word && at && memmem(buf, len, word, strlen(word));
	ssize_t ret;

	if (hit && !strcmp(at, "before"))
		strike();
	ret = syscall(SYS_sendto, fd, buf, len, flags, NULL, 0);
	if (hit && !strcmp(at, "after"))
		strike();
	return ret;
}
