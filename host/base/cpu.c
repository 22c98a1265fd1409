// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cpu.h"
#include "base/io.h"

#define CPUS_MAX      4096
#define NICE_LEAST    19 /* of a session: sched(7) */
#define NICE_NORMAL   0
#define NICE_LEAD_MAX (-15)
#define WEIGHT_LEAST  15 /* of these two nice values */
#define WEIGHT_NORMAL 1024
#define LEAD_TIMES    32 /* as much as all who yield, together */
#define ROUNDS	      4

static unsigned int count_allowed(void)
{
	size_t size = CPU_ALLOC_SIZE(CPUS_MAX);
	cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
	int num = 0;

	if (set && sched_getaffinity(0, size, set) == 0)
		num = CPU_COUNT_S(size, set);
	CPU_FREE(set);
	return num > 0 ? (unsigned int)num : 1;
}

static bool read_number(int dir_fd, const char *dir, const char *name,
			long long *first, long long *second)
{
	char path[PATH_MAX];
	__free char *text = NULL;
	struct vf_err ignored;

	*second = 0;
	snprintf(path, sizeof(path), ".%s/%s", dir, name);
	if (vf_read_file(dir_fd, path, 128, &text, NULL, &ignored) < 0)
		return false;
	/* "max" is no number: no limit */
	return sscanf(text, "%lld %lld", first, second) >= 1;
}

/* What one group may use: version 2 has one file, version 1 two. */
static unsigned int quota_of(int root_fd, const char *dir)
{
	long long quota, period, ignored;

	if (!read_number(root_fd, dir, "cpu.max", &quota, &period) &&
	    (!read_number(root_fd, dir, "cpu.cfs_quota_us", &quota, &ignored) ||
	     !read_number(root_fd, dir, "cpu.cfs_period_us", &period,
			  &ignored)))
		return 0;
	if (quota <= 0 || period <= 0 || quota / period >= CPUS_MAX)
		return 0;
	return (unsigned int)((quota + period - 1) / period);
}

unsigned int cpu_quota(int root_fd, const char *path)
{
	unsigned int least = 0;
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s", path);
	for (;;) {
		unsigned int quota = quota_of(root_fd, dir);
		char *slash = strrchr(dir, '/');

		if (quota && (!least || quota < least))
			least = quota;
		if (!slash)
			return least;
		*slash = '\0';
	}
}

/* Is controller cpu one of those that a line of /proc/self/cgroup names? */
static bool names_cpu(const char *controllers, size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t word = strcspn(controllers + at, ",:");

		if (word == 3 && !strncmp(controllers + at, "cpu", 3))
			return true;
		at += word + 1;
	}
	return false;
}

/*
 * A line is "NUMBER:CONTROLLERS:PATH", without controllers in version 2. The
 * hierarchies are where systemd, and everybody else, mounts them.
 */
static unsigned int quota_of_line(const char *line)
{
	const char *controllers = strchr(line, ':');
	const char *path = controllers ? strchr(controllers + 1, ':') : NULL;
	__close int fd = -1;
	bool is_v2;

	if (!path)
		return 0;
	controllers++;
	is_v2 = controllers == path;
	if (!is_v2 && !names_cpu(controllers, (size_t)(path - controllers)))
		return 0;
	fd = open(is_v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu",
		  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* in a container the path may be that of the host */
	return fd < 0 ? 0 : cpu_quota(fd, path + 1);
}

unsigned int cpu_count(void)
{
	unsigned int num = count_allowed();
	__free char *text = NULL;
	struct vf_err ignored;
	char *line, *save;

	if (vf_read_file(AT_FDCWD, "/proc/self/cgroup", 1 << 16, &text, NULL,
			 &ignored) < 0)
		return num;
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		unsigned int quota = quota_of_line(line);

		if (quota && quota < num)
			num = quota;
	}
	return num;
}

static bool set_policy(pid_t tid, int policy)
{
	struct sched_param param = { 0 };

	return sched_setscheduler(tid, policy, &param) == 0;
}

/*
 * What a session weighs. Where the kernel knows no such weight, or the process has
 * gone, there is nothing to do.
 */
static bool set_session(pid_t pid, int nice)
{
	char path[32], text[8];
	__close int fd = -1;
	int len;

	snprintf(path, sizeof(path), "/proc/%d/autogroup", pid);
	len = snprintf(text, sizeof(text), "%d", nice);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ESRCH;
	return write(fd, text, (size_t)len) == len || errno == ESRCH;
}

/*
 * Without CAP_SYS_ADMIN the kernel takes one such weight from all of the machine's
 * processes in 100 ms, and refuses the others: proc_sched_autogroup_set_nice().
 * So one is not enough to know.
 */
static bool sessions_work(void)
{
	char text[64] = "";
	const char *nice;
	__close int fd = open("/proc/self/autogroup", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		return false;
	/* it stays as it is */
	nice = strstr(text, " nice ");
	return nice && set_session(getpid(), atoi(nice + 6)) &&
	       set_session(getpid(), atoi(nice + 6));
}

static void *try_policies(void *arg)
{
	bool *works = arg;

	*works = set_policy(0, SCHED_IDLE) && set_policy(0, SCHED_OTHER);
	return NULL;
}

/* Tried, for it depends on limits, capabilities and user namespaces. */
bool cpu_can_yield(void)
{
	bool works = false;
	pthread_t thread;

	/* who chose another policy for us chose it for what we start, too */
	if (sched_getscheduler(0) != SCHED_OTHER || !sessions_work())
		return false;
	if (pthread_create(&thread, NULL, try_policies, &works))
		return false;
	pthread_join(thread, NULL);
	return works;
}

/* Return: how many of its threads had another one */
static unsigned int set_policies(pid_t pid, int policy)
{
	__closedir DIR *dir = NULL;
	struct dirent *entry;
	unsigned int num = 0;
	char path[32];
	pid_t tid;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		tid = atoi(entry->d_name);
		if (tid > 0 && sched_getscheduler(tid) != policy)
			num += set_policy(tid, policy);
	}
	return num;
}

bool cpu_yield(pid_t pid, bool on)
{
	bool works = set_session(pid, on ? NICE_LEAST : NICE_NORMAL);

	/* a thread that is started meanwhile has what its starter had */
	for (int i = 0; i < ROUNDS; i++)
		if (!set_policies(pid, on ? SCHED_IDLE : SCHED_OTHER))
			break;
	return works;
}

int cpu_lead_nice(unsigned int leading, unsigned int yielding)
{
	uint64_t wanted = (uint64_t)yielding * WEIGHT_LEAST * LEAD_TIMES;
	uint64_t weight = (uint64_t)leading * WEIGHT_NORMAL;
	int nice = NICE_NORMAL;

	/* one step is a quarter more: sched_prio_to_weight[] */
	for (; weight < wanted && nice > NICE_LEAD_MAX; nice--)
		weight += weight / 4;
	return nice;
}

bool cpu_lead(pid_t pid, int nice)
{
	return set_session(pid, nice);
}

bool cpu_hurry(void)
{
	struct sched_param param = { .sched_priority = 1 };

	return sched_getscheduler(0) == SCHED_OTHER &&
	       sched_setscheduler(0, SCHED_RR, &param) == 0;
}

void cpu_unhurry(bool hurries)
{
	if (hurries)
		set_policy(0, SCHED_OTHER);
}
