// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "announce.h"
#include "bootmail.h"
#include "entropy.h"
#include "log.h"
#include "monotonic.h"
#include "notify.h"
#include "priority.h"
#include "restore.h"

#define CHECK_NS   (1 * NS_PER_S)
#define REFRESH_NS (500 * NS_PER_MS)
#define WATCH_NS   (5 * NS_PER_MS) /* other descriptors wait at most so long */

/* A wake is a hint: the sources say whether it was a restore, the mail which. */
static void look(struct agent *agent)
{
	enum vmfork_signal signal = signals_look(&agent->signals);

	if (signal == VMFORK_SIGNAL_NONE) {
		if (!mailbox_has_mail(&agent->mailbox))
			return;
		signal = VMFORK_SIGNAL_CHECK;
		signals_account(&agent->signals, signal);
	}
	restore_wake(agent, signal);
}

static void check(struct agent *agent)
{
	requests_look(agent);
	if (mailbox_has_mail(&agent->mailbox))
		look(agent);
	if (mailbox_has_moved(&agent->mailbox))
		restore_arm(agent);
}

static void check_cb(void *arg)
{
	struct agent *agent = arg;

	agent->check_timer.due_ns = monotonic_ns() + CHECK_NS;
	check(agent);
	/* not while the VM boots, nor while it learns who it is */
	if (restore_is_over(agent))
		sockets_warm(&agent->sockets);
}

static void signal_cb(void *arg, int fd, short revents)
{
	struct agent *agent = arg;

	look(agent);
	/* One that hangs up would keep us awake for ever. */
	for (unsigned int i = 0; i < agent->signals.num; i++) {
		struct signal_source *src = &agent->signals.source[i];

		if (src->fd != fd ||
		    (!src->failed && !(revents & (POLLHUP | POLLNVAL))))
			continue;
		src->failed = true;
		loop_del_fd(&agent->loop, fd);
		log_line(LOG_ERROR, "signal %s is gone", src->ops->name);
	}
}

static void watch_cb(void *arg)
{
	struct agent *agent = arg;
	struct signal_source *src = agent->signals.watched;

	src->ops->watch(src, WATCH_NS);
	look(agent);
}

static void ack_readable_cb(void *arg, int fd, short revents)
{
	struct agent *agent = arg;
	enum vmfork_ack_kind kind = ack_receive(&agent->ack);

	(void)fd;
	(void)revents;
	if (kind != VMFORK_ACK_NONE)
		restore_answered(agent, kind);
	check(agent); /* whatever it was, it is a hint to look */
}

static void refresh_cb(void *arg)
{
	struct agent *agent = arg;
	int ret = netcfg_refresh(&agent->netcfg);

	if (ret < 0)
		log_line(LOG_ERROR, "netlink: %s", strerror(-ret));
}

static void netlink_cb(void *arg, int fd, short revents)
{
	struct agent *agent = arg;

	(void)fd;
	(void)revents;
	netcfg_listen(&agent->netcfg);
	if (agent->netcfg.is_stale && !agent->refresh_timer.due_ns)
		agent->refresh_timer.due_ns = monotonic_ns() + REFRESH_NS;
}

static void stop_cb(void *arg, int fd, short revents)
{
	struct agent *agent = arg;

	(void)fd;
	(void)revents;
	loop_stop(&agent->loop);
}

static int stop_open(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int loop_wire(struct agent *agent)
{
	struct loop *loop = &agent->loop;
	int ret;

	for (unsigned int i = 0; i < agent->signals.num; i++) {
		if (agent->signals.source[i].fd < 0)
			continue;
		ret = loop_add_fd(loop, agent->signals.source[i].fd, signal_cb,
				  agent);
		if (ret < 0)
			return ret;
	}
	if (agent->signals.watched) {
		loop->idle_cb = watch_cb;
		loop->idle_arg = agent;
	}
	ret = loop_add_fd(loop, agent->ack.fd, ack_readable_cb, agent);
	if (!ret)
		ret = loop_add_fd(loop, agent->netcfg.events.fd, netlink_cb,
				  agent);
	if (!ret)
		ret = loop_add_fd(loop, agent->stop_fd, stop_cb, agent);
	if (!ret)
		ret = loop_add_timer(loop, &agent->check_timer, check_cb,
				     agent);
	if (!ret)
		ret = loop_add_timer(loop, &agent->refresh_timer, refresh_cb,
				     agent);
	return ret ? ret : restore_init(agent);
}

static int fail(const char *what, int ret)
{
	log_line(LOG_ERROR, "%s: %s", what, strerror(-ret));
	return ret;
}

static int record_load(struct agent *agent)
{
	int ret = statedir_open(&agent->dir, STATUS_DIR);

	if (ret == -EBUSY) {
		log_line(LOG_ERROR, "another agent is running");
		return ret;
	}
	if (ret < 0)
		return fail(STATUS_DIR, ret);
	if (statedir_load(&agent->dir, &agent->record) < 0)
		memset(&agent->record, 0, sizeof(agent->record));
	agent->record.status.request_seen = 0;
	agent->record.status.request_result = 0;
	return 0;
}

static int network_open(struct agent *agent)
{
	int ret = netcfg_open(&agent->netcfg);

	if (ret < 0)
		return fail("netlink", ret);
	ret = ack_open(&agent->ack, agent->netcfg.has_ipv6);
	return ret < 0 ? fail("UDP socket", ret) : 0;
}

/*
 * A busy guest wakes up busy, and boots busy. Whoever runs before us speaks with
 * the parent's address, so we go first; we sleep all the time, but for a source
 * that is watched without a pause, which must not starve the rest. An agent that
 * spins for a snapshot goes on before the interrupt that tells of the fork.
 */
static void set_policy(int policy)
{
	struct sched_param param = {
		.sched_priority = policy == SCHED_FIFO ? VMFORK_PRIORITY : 0,
	};

	/* musl has no sched_setscheduler(): POSIX means processes by it */
	if (syscall(SYS_sched_setscheduler, 0, policy | SCHED_RESET_ON_FORK,
		    &param) < 0)
		log_line(LOG_DEBUG, "no real-time priority: %s",
			 strerror(errno));
}

/* main() exits on failure: what is open by then, the kernel closes. */
int agent_open(struct agent *agent, const char *signal)
{
	uint32_t capabilities = VMFORK_CAP_REQUEST | VMFORK_CAP_ARM;
	const char *why = NULL;
	int ret;

	agent->start_ns = monotonic_ns();
	set_policy(SCHED_FIFO);
	agent->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (agent->root_fd < 0)
		return fail("/", -errno);
	ret = record_load(agent);
	if (ret < 0)
		return ret;
	ret = signals_open(&agent->signals, signal, &why);
	if (ret < 0) {
		log_line(LOG_ERROR, "signal %s: %s", signal, why);
		return ret;
	}
	if (agent->signals.watched)
		set_policy(SCHED_OTHER);
	ret = network_open(agent);
	if (ret < 0)
		return ret;
	if (agent->netcfg.has_ipv6)
		capabilities |= VMFORK_CAP_IPV6;
	if (freeze_is_configured(&agent->requests.freeze))
		capabilities |= VMFORK_CAP_FREEZE;
	ret = mailbox_open(&agent->mailbox, agent->ack.port, capabilities);
	if (ret < 0)
		return fail("mailbox page", ret);
	agent->stop_fd = stop_open();
	if (agent->stop_fd < 0)
		return fail("signalfd", agent->stop_fd);
	ret = loop_wire(agent);
	return ret < 0 ? fail("event loop", ret) : 0;
}

static void mail_read(struct agent *agent)
{
	int ret = bootmail_read(&agent->mail);

	if (ret < 0)
		memset(&agent->mail, 0, sizeof(agent->mail));
	if (ret < 0 && ret != -ENOENT)
		log_line(LOG_ERROR, "mail at boot: %s", strerror(-ret));
}

/* What a page that is armed can wait for, since nobody looks at it meanwhile. */
static void rest_open(struct agent *agent)
{
	int ret = notify_open(agent->dir.dir_fd);

	if (ret < 0)
		log_line(LOG_ERROR, "nobody is notified: %s", strerror(-ret));
	agent->announce_fd = announce_open();
	if (agent->announce_fd < 0)
		log_line(LOG_ERROR, "nothing is announced: packet socket: %s",
			 strerror(-agent->announce_fd));
	agent->random_fd = entropy_open();
	if (agent->random_fd < 0)
		fail("/dev/urandom", agent->random_fd);
}

int agent_run(struct agent *agent)
{
	char names[64] = "";

	/*
	 * The page is of use at once, the network may take its time. Whoever
	 * finds it armed finds a status in it.
	 */
	mailbox_publish(&agent->mailbox, &agent->record.status);
	restore_arm(agent);
	rest_open(agent);
	mail_read(agent);
	restore_boot(agent);
	requests_recover(agent);
	if (agent->netcfg.has_ipv6)
		sockets_recover(&agent->netcfg.rtnl, &agent->netcfg.batch);
	/* In a fork each page that is not there costs a fault, maybe a read. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		log_line(LOG_ERROR, "memory is not locked: %s",
			 strerror(errno));
	for (unsigned int i = 0; i < agent->signals.num; i++) {
		strncat(names, " ", sizeof(names) - strlen(names) - 1);
		strncat(names, agent->signals.source[i].ops->name,
			sizeof(names) - strlen(names) - 1);
	}
	signals_tell(&agent->signals);
	log_line(LOG_DEBUG, "armed %llu us, ready %llu us after the start",
		 (unsigned long long)(agent->armed_ns - agent->start_ns) / 1000,
		 (unsigned long long)(monotonic_ns() - agent->start_ns) / 1000);
	log_line(LOG_INFO, "page at 0x%llx%s, signals:%s",
		 (unsigned long long)agent->mailbox.gpa,
		 agent->is_armed ? ", armed" : "", *names ? names : " none");
	if (!agent->check_timer.due_ns)
		agent->check_timer.due_ns = monotonic_ns() + CHECK_NS;
	return loop_run(&agent->loop);
}

void agent_close(struct agent *agent)
{
	requests_exit(agent);
	sockets_close(&agent->sockets);
	mailbox_close(&agent->mailbox);
	signals_close(&agent->signals);
	close(agent->stop_fd);
	if (agent->announce_fd >= 0)
		close(agent->announce_fd);
	if (agent->random_fd >= 0)
		close(agent->random_fd);
	ack_close(&agent->ack);
	netcfg_close(&agent->netcfg);
	statedir_close(&agent->dir);
	close(agent->root_fd);
}
