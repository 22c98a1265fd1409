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
#include "notify.h"
#include "settle.h"

#define FOLDER	   "notify.d"
#define FILES_MAX  1024 /* anybody may put one there */
#define TEXT_SIZE  64
#define SIGNAL_MAX 64

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

bool notify_parse(const char *text, pid_t *pid, int *signal)
{
	char word[TEXT_SIZE];
	const char *end = text;
	size_t len;

	*pid = (pid_t)number_parse(text, INT_MAX, &end);
	if (!*pid || (*end && !isspace((unsigned char)*end)))
		return false;
	*signal = SIGUSR1;
	end += strspn(end, " \t\n");
	len = strcspn(end, " \t\n");
	if (!len)
		return !*end;
	if (len >= sizeof(word))
		return false;
	memcpy(word, end, len);
	word[len] = '\0';
	*signal = signal_parse(word);
	return *signal && !end[len + strspn(end + len, " \t\n")];
}

int notify_open(int dir_fd)
{
	if (mkdirat(dir_fd, FOLDER, 0700) < 0 && errno != EEXIST)
		return -errno;
	/* as /tmp: one's own files are one's own */
	return fchmodat(dir_fd, FOLDER, 01777, 0) < 0 ? -errno : 0;
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
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
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

/* Return: 0, -ESRCH if the process is gone, -errno */
static int process_signal(pid_t pid, int signal, uid_t owner)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0), ret = 0;

	if (fd < 0)
		return -errno;
	/* whoever owns the number now, the descriptor stays with one process */
	if (!may_signal(owner, pid))
		ret = -EPERM;
	else if (syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Return: 1 if it was sent, 0 if there was nobody to send it to, -errno */
static int file_notify(int folder_fd, const char *name)
{
	char text[TEXT_SIZE] = "";
	uid_t owner = (uid_t)-1;
	pid_t pid;
	int signal, ret;

	ret = file_read(folder_fd, name, text, &owner);
	if (ret < 0 || !notify_parse(text, &pid, &signal))
		return 0; /* not for us, or half written */
	ret = process_signal(pid, signal, owner);
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
			ret = -E2BIG;
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
