// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "log.h"
#include "notify.h"
#include "settle.h"

#define FOLDER	   "notify.d"
#define FILES_MAX  1024
#define TEXT_SIZE  64
#define BLANKS	   " \t\n"
#define SIGNAL_MAX 64
#define START_MAX  (LONG_MAX / 100)
/* proc_pid_stat(5) */
#define START_FIELD 22

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "HUP", SIGHUP },   { "INT", SIGINT },	  { "QUIT", SIGQUIT },
	{ "KILL", SIGKILL }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },
	{ "ALRM", SIGALRM }, { "TERM", SIGTERM }, { "CONT", SIGCONT },
	{ "URG", SIGURG },   { "IO", SIGIO },	  { "WINCH", SIGWINCH },
	{ "PWR", SIGPWR },
};

/* Return: the number, 0 if it is none; @end: what follows it */
static long number_parse(const char *text, long max, const char **end)
{
	long number = 0;

	for (; isdigit((unsigned char)*text); text++) {
		number = number * 10 + (*text - '0');
		if (number > max)
			return 0;
	}
	*end = text;
	return number;
}

static int signal_parse(const char *word)
{
	const char *end = word;
	long number = number_parse(word, SIGNAL_MAX, &end);

	if (number && !*end)
		return (int)number;
	if (!strncmp(word, "SIG", 3))
		word += 3;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (!strcmp(word, signals[i].name))
			return signals[i].number;
	}
	return 0;
}

/* Return: false if it is too long; empty if there is none; @text goes on */
static bool word_take(const char **text, char word[TEXT_SIZE])
{
	const char *begin = *text + strspn(*text, BLANKS);
	size_t len = strcspn(begin, BLANKS);

	if (len >= TEXT_SIZE)
		return false;
	memcpy(word, begin, len);
	word[len] = '\0';
	*text = begin + len;
	return true;
}

bool notify_parse(const char *text, struct notify_order *order)
{
	char word[TEXT_SIZE];
	const char *end = text;

	*order = (struct notify_order){ .signal = SIGUSR1 };
	order->pid = (pid_t)number_parse(text, INT_MAX, &end);
	if (!order->pid || (*end && !strchr(BLANKS, *end)) ||
	    !word_take(&end, word))
		return false;
	if (*word)
		order->signal = signal_parse(word);
	if (!order->signal || !word_take(&end, word))
		return false;
	text = end;
	end = word;
	if (*word) {
		order->start = (uint64_t)number_parse(word, START_MAX, &end);
		if (!order->start || *end)
			return false;
	}
	return !text[strspn(text, BLANKS)];
}

int notify_open(int dir_fd)
{
	if (mkdirat(dir_fd, FOLDER, 0700) < 0 && errno != EEXIST)
		return -errno;
	/* root's alone: it lies on a file system that others must not fill */
	return fchmodat(dir_fd, FOLDER, 0755, 0) < 0 ? -errno : 0;
}

/* Return: the file's owner, with its text read, or -errno */
static int file_read(int folder_fd, const char *name, char *text, uid_t *owner)
{
	int fd = openat(folder_fd, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t len;

	if (fd < 0)
		return -errno;
	/* a link to somebody's file says nothing of who put it here */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1) {
		close(fd);
		return -EINVAL;
	}
	*owner = st.st_uid;
	len = read(fd, text, TEXT_SIZE - 1);
	close(fd);
	if (len < 0)
		return -EIO;
	text[len] = '\0';
	return 0;
}

static bool may_signal(uid_t owner, pid_t pid)
{
	char path[32];
	struct stat st;

	if (owner == 0)
		return true;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	return !stat(path, &st) && st.st_uid == owner;
}

/* Return: when it began, in clock ticks since the boot; 0: not known */
static uint64_t process_start(pid_t pid)
{
	char path[32], text[1024];
	unsigned long long start;
	const char *at;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	/* the second field is a name, which may hold anything; the rest numbers */
	at = strrchr(text, ')');
	for (int field = 2; at && field < START_FIELD; field++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, " %llu", &start) == 1 ? start : 0;
}

/* Return: 0, -ESRCH if the process is gone, -errno */
static int process_signal(const struct notify_order *order, uid_t owner)
{
	int fd = (int)syscall(SYS_pidfd_open, order->pid, 0), ret = 0;

	if (fd < 0)
		return -errno;
	/* whoever owns the number now, the descriptor stays with one process */
	if (order->start && process_start(order->pid) != order->start)
		ret = -ESRCH;
	else if (!may_signal(owner, order->pid))
		ret = -EPERM;
	else if (syscall(SYS_pidfd_send_signal, fd, order->signal, NULL, 0) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Return: 1 if it was sent, 0 if there was nobody to send it to, -errno */
static int file_notify(int folder_fd, const char *name)
{
	char text[TEXT_SIZE] = "";
	struct notify_order order;
	uid_t owner = (uid_t)-1;
	int ret;

	ret = file_read(folder_fd, name, text, &owner);
	if (ret < 0 || !notify_parse(text, &order))
		return 0; /* not for us, or half written */
	ret = process_signal(&order, owner);
	if (ret == -ESRCH)
		unlinkat(folder_fd, name, 0);
	if (ret == -ESRCH || ret == -EPERM || ret == -EINVAL)
		return 0;
	return ret < 0 ? ret : 1;
}

int notify_all(int dir_fd)
{
	int fd = openat(dir_fd, FOLDER,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int num_sent = 0, num = 0, ret = 0;
	const struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (ret >= 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (num++ == FILES_MAX) {
			log_line(LOG_ERROR,
				 STATUS_DIR "/" FOLDER ": more than %d files, "
					    "the rest is skipped",
				 FILES_MAX);
			break;
		}
		ret = file_notify(dirfd(dir), entry->d_name);
		num_sent += ret > 0;
	}
	closedir(dir);
	return ret < 0 ? ret : num_sent;
}

int notify_run(struct agent *agent)
{
	int ret = notify_all(agent->dir.dir_fd);

	if (ret < 0)
		return ret;
	return ret ? 0 : SETTLE_NOTHING;
}
