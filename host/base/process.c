// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "base/io.h"
#include "base/process.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define STAT_SIZE    512
#define KILL_MS	     5000

/* fields of /proc/PID/stat: proc(5) */
#define STAT_MINFLT    10
#define STAT_MAJFLT    12
#define STAT_STARTTIME 22

/* Who a process is, beyond its number. */
struct process_id {
	pid_t pid;
	unsigned long long start_ticks;
	bool has_ended; /* and waits for a parent who may never ask */
};

/*
 * A number of /proc/PID/stat, by its field as proc(5) counts them, from 3 on.
 * The command's name before it may hold anything, so its end is sought from
 * behind.
 */
static int stat_field(const char *stat, int field, unsigned long long *value)
{
	const char *p = strrchr(stat, ')');

	for (int at = 2; p && at < field; at++)
		p = strchr(p + 1, ' ');
	return p && sscanf(p, "%llu", value) == 1 ? 0 : -EBADMSG;
}

static int stat_parse(const char *stat, struct process_id *id)
{
	const char *end = strrchr(stat, ')');

	if (sscanf(stat, "%d", &id->pid) != 1 || id->pid <= 0 || !end)
		return -EBADMSG;
	id->has_ended = end[1] && (end[2] == 'Z' || end[2] == 'X');
	return stat_field(stat, STAT_STARTTIME, &id->start_ticks);
}

static int stat_load(pid_t pid, char **stat)
{
	struct vf_err err;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return vf_read_file(AT_FDCWD, path, STAT_SIZE * 2, stat, NULL, &err);
}

static int stat_read(pid_t pid, struct process_id *id)
{
	__free char *stat = NULL;
	int ret = stat_load(pid, &stat);

	return ret < 0 ? ret : stat_parse(stat, id);
}

int process_faults(pid_t pid, uint64_t *minor, uint64_t *major)
{
	__free char *stat = NULL;
	unsigned long long min, maj;
	int ret = stat_load(pid, &stat);

	if (ret < 0)
		return ret;
	if (stat_field(stat, STAT_MINFLT, &min) < 0 ||
	    stat_field(stat, STAT_MAJFLT, &maj) < 0)
		return -EBADMSG;
	*minor = min;
	*major = maj;
	return 0;
}

/*
 * A record is the kernel's boot id, a newline, and the process's own stat line.
 * Only async-signal-safe calls here: the child of a fork runs it.
 */
static int record_write(int fd)
{
	char buf[STAT_SIZE];
	ssize_t len, done;
	int from;

	for (int i = 0; i < 2; i++) {
		from = open(i ? "/proc/self/stat" : BOOT_ID_PATH,
			    O_RDONLY | O_CLOEXEC);
		if (from < 0)
			return -errno;
		len = read(from, buf, sizeof(buf));
		close(from);
		if (len < 0)
			return -EIO;
		done = write(fd, buf, (size_t)len);
		if (done != len)
			return done < 0 ? -errno : -ENOSPC;
	}
	return 0;
}

/*
 * Does the process of a record still live? Fills in who it is. What cannot be
 * read (no descriptors left, say) is no proof of its death.
 * Return: 1 if so, 0 if not, -errno if that cannot be told
 */
static int record_lives(int dir_fd, const char *name, struct process_id *id)
{
	__free char *record = NULL, *boot_id = NULL;
	struct process_id now;
	struct vf_err err;
	char *stat;
	int ret;

	ret = vf_read_file(dir_fd, name, STAT_SIZE * 2, &record, NULL, &err);
	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	ret = vf_read_file(AT_FDCWD, BOOT_ID_PATH, 64, &boot_id, NULL, &err);
	if (ret < 0)
		return ret;
	stat = strchr(record, '\n');
	if (!stat || strncmp(record, boot_id, (size_t)(stat - record)) != 0 ||
	    stat_parse(stat + 1, id) < 0)
		return 0;
	ret = stat_read(id->pid, &now);
	if (ret < 0)
		return ret == -ENOENT || ret == -ESRCH ? 0 : ret;
	return now.start_ticks == id->start_ticks && !now.has_ended;
}

/* All of ours are O_CLOEXEC: the others came from whoever started us. */
static void close_inherited(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	int fd, flags;

	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "%d", &fd) != 1 ||
		    fd <= STDERR_FILENO)
			continue;
		flags = fcntl(fd, F_GETFD);
		if (flags >= 0 && !(flags & FD_CLOEXEC))
			close(fd);
	}
	if (dir)
		closedir(dir);
}

void process_detach(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	close_inherited();
	for (int i = 0; fd >= 0 && i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
}

void process_keep_fds(const int *fds, unsigned int num)
{
	unsigned int from = STDERR_FILENO + 1, next;

	do {
		next = ~0U;
		for (unsigned int i = 0; i < num; i++)
			if ((unsigned int)fds[i] >= from &&
			    (unsigned int)fds[i] < next)
				next = (unsigned int)fds[i];
		if (next > from)
			close_range(from, next - 1, 0);
		from = next + 1;
	} while (next != ~0U);
}

int process_mark(int dir_fd, const char *name, struct vf_err *err)
{
	__close int fd = openat(dir_fd, name,
				O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int ret;

	if (fd < 0)
		return vf_err_errno(err, errno, "%s", name);
	ret = record_write(fd);
	if (ret < 0) {
		unlinkat(dir_fd, name, 0);
		return vf_err_errno(err, ret, "%s", name);
	}
	return 0;
}

bool process_mark_lives(int dir_fd, const char *name)
{
	struct process_id id;

	return record_lives(dir_fd, name, &id) != 0;
}

void process_signals_usual(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

/*
 * What the child does between fork and exec; reports errno through @status_fd.
 * Until its record is written it dies with its parent: one that nobody has on
 * record would never be found.
 */
static _Noreturn void child(pid_t parent, int pid_fd, int log_fd, int status_fd,
			    char *const argv[], const int *fds,
			    unsigned int num_fds)
{
	int ret, null_fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	ret = record_write(pid_fd);
	prctl(PR_SET_PDEATHSIG, 0);

	setsid();
	process_signals_usual();
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	dup2(null_fd, STDIN_FILENO);
	dup2(log_fd, STDOUT_FILENO);
	dup2(log_fd, STDERR_FILENO);
	/* the caller's caller may have left us descriptors: not for a VM's life */
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	for (unsigned int i = 0; i < num_fds; i++)
		fcntl(fds[i], F_SETFD, 0);
	files_usual();
	if (!ret) {
		execvp(argv[0], argv);
		ret = -errno;
	}
	(void)!write(status_fd, &ret, sizeof(ret));
	_exit(127);
}

static int pidfd_open_(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

int process_spawn(struct process *proc, int dir_fd, const char *log_name,
		  char *const argv[], const int *fds, unsigned int num_fds,
		  struct vf_err *err)
{
	__close int log_fd = -1, pid_fd = -1, status_rd = -1, status_wr = -1;
	int status[2], ret = 0;
	pid_t parent;
	ssize_t len;

	proc->pidfd = -1;
	log_fd = openat(dir_fd, log_name,
			O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	pid_fd = openat(dir_fd, PROCESS_FILE,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (log_fd < 0 || pid_fd < 0 || pipe2(status, O_CLOEXEC) < 0)
		return vf_err_errno(err, errno, "%s", argv[0]);
	status_rd = status[0];
	status_wr = status[1];

	parent = getpid();
	proc->pid = fork();
	if (proc->pid < 0)
		return vf_err_errno(err, errno, "%s", argv[0]);
	if (proc->pid == 0)
		child(parent, pid_fd, log_fd, status_wr, argv, fds, num_fds);

	proc->pidfd = pidfd_open_(proc->pid);
	files_lift(&proc->pidfd);
	close(vf_steal_fd(&status_wr));
	/* ends as soon as exec closes the child's end */
	do
		len = read(status_rd, &ret, sizeof(ret));
	while (len < 0 && errno == EINTR);
	if (len == sizeof(ret)) {
		process_close(proc);
		waitpid(proc->pid, NULL, 0);
		return vf_err_errno(err, ret, "%s", argv[0]);
	}
	if (proc->pidfd < 0) {
		/* ours and not waited for yet, so the number is still its own */
		kill(proc->pid, SIGKILL);
		waitpid(proc->pid, NULL, 0);
		return vf_err_errno(err, EMFILE, "%s: pidfd", argv[0]);
	}
	return 0;
}

int process_open_mark(struct process *proc, int dir_fd, const char *name)
{
	struct process_id id;
	int ret;

	*proc = (struct process){ .pidfd = -1 };
	ret = record_lives(dir_fd, name, &id);
	if (ret <= 0)
		return ret;
	proc->pid = id.pid;
	proc->pidfd = pidfd_open_(id.pid);
	if (proc->pidfd < 0)
		return errno == ESRCH ? 0 : -errno;
	/* between the check and the open it may have ended: look again */
	ret = record_lives(dir_fd, name, &id);
	if (ret > 0 && process_wait(proc, 0) == 0)
		ret = 0;
	if (ret <= 0)
		process_close(proc);
	return ret;
}

int process_open(struct process *proc, int dir_fd)
{
	return process_open_mark(proc, dir_fd, PROCESS_FILE);
}

int process_open_own(struct process *proc, pid_t pid)
{
	proc->pid = pid;
	proc->pidfd = pidfd_open_(pid);
	return proc->pidfd < 0 ? -errno : 0;
}

int process_wait(struct process *proc, int timeout_ms)
{
	int ret;

	if (proc->pidfd < 0)
		return 0;
	ret = vf_wait_readable(proc->pidfd, -1,
			       vf_now_us() + (int64_t)timeout_ms * 1000);
	if (ret < 0)
		return ret;
	/* if it is a child of ours it shall not stay as a zombie */
	waitid(P_PIDFD, (id_t)proc->pidfd, NULL, WEXITED | WNOHANG);
	return 0;
}

void process_signal(struct process *proc, int sig)
{
	syscall(SYS_pidfd_send_signal, proc->pidfd, sig, NULL, 0);
}

int process_kill(struct process *proc, int grace_ms)
{
	if (proc->pidfd < 0)
		return 0;
	if (grace_ms > 0) {
		process_signal(proc, SIGTERM);
		if (process_wait(proc, grace_ms) == 0)
			return 0;
	}
	process_signal(proc, SIGKILL);
	return process_wait(proc, KILL_MS);
}

void process_close(struct process *proc)
{
	if (proc->pidfd >= 0)
		close(proc->pidfd);
	proc->pidfd = -1;
}
