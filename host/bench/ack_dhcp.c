// SPDX-License-Identifier: MIT
/*
 * A fork that gets its address by DHCP, as kinds of handoffs (ack_base.h): busybox's
 * server, on the network's gateway, for the one address that this fork has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "bench/ack_base.h"
#include "core/fork.h"
#include "net/mode.h"
#include "net/nft.h"

#define START_US 5000000
#define LOG_SIZE 200

/* What is asked for by hand, so that the server knows it before the fork does. */
struct lease {
	const struct net_conf *conf;
	uint8_t mac[6];
	struct in_addr addr;
	char tap[IFNAMSIZ]; /* whose rules let it speak so; empty: none yet */
};

struct server {
	pid_t pid;
	int log_fd; /* what it says */
};

static void mac_write(char text[18], const uint8_t *m)
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
		 m[3], m[4], m[5]);
}

static uint32_t mask_of(const struct net_conf *conf)
{
	return ~0U << (32 - conf->prefix4);
}

/* The pool's last address but one: leases come from its beginning. */
static int choose(struct lease *lease, const struct net_conf *conf)
{
	uint32_t subnet = ntohl(conf->addr4.s_addr) & mask_of(conf);
	int ret = vf_random(lease->mac, sizeof(lease->mac));

	lease->conf = conf;
	lease->mac[0] = 0x02; /* administered locally, of one station */
	lease->addr.s_addr = htonl(subnet + ~mask_of(conf) - 2);
	return ret;
}

static int write_conf(int fd, const struct lease *lease, int scratch_fd)
{
	char addr[INET_ADDRSTRLEN], gateway[INET_ADDRSTRLEN];
	char mask[INET_ADDRSTRLEN], mac[18], text[512];
	const struct in_addr subnet = { htonl(mask_of(lease->conf)) };

	inet_ntop(AF_INET, &lease->addr, addr, sizeof(addr));
	inet_ntop(AF_INET, &lease->conf->addr4, gateway, sizeof(gateway));
	inet_ntop(AF_INET, &subnet, mask, sizeof(mask));
	mac_write(mac, lease->mac);
	snprintf(text, sizeof(text),
		 "interface %s\nstart %s\nend %s\nmax_leases 1\n"
		 "static_lease %s %s\noption subnet %s\noption router %s\n"
		 "lease_file /proc/self/fd/%d\npidfile /proc/self/fd/%d\n",
		 lease->conf->bridge, addr, addr, mac, addr, mask, gateway,
		 scratch_fd, scratch_fd);
	return vf_write_all(fd, text, strlen(text));
}

static _Noreturn void become_server(pid_t parent, int conf_fd, int scratch_fd,
				    int log_fd)
{
	char path[32];

	/* it is on no record */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setsid();
	dup2(log_fd, STDOUT_FILENO);
	dup2(log_fd, STDERR_FILENO);
	fcntl(conf_fd, F_SETFD, 0);
	fcntl(scratch_fd, F_SETFD, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", conf_fd);
	execlp("busybox", "busybox", "udhcpd", "-f", path, (char *)NULL);
	_exit(127);
}

/* Its first words tell that it has begun, or why it cannot. */
static int await_server(const struct server *server, struct vf_err *err)
{
	char text[LOG_SIZE + 1];
	int ret = vf_wait_readable(server->log_fd, -1, vf_now_us() + START_US);
	ssize_t n = ret < 0 ? 0 : read(server->log_fd, text, LOG_SIZE);

	text[n > 0 ? n : 0] = '\0';
	if (strstr(text, "started"))
		return 0;
	text[strcspn(text, "\n")] = '\0';
	vf_err_set(err, EIO, "busybox udhcpd: %s",
		   *text ? vf_ascii(text) : "does not run");
	vf_err_hint(err, "install busybox-static");
	return -EIO;
}

static void stop_server(struct server *server)
{
	if (server->pid > 0) {
		kill(server->pid, SIGKILL);
		while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	vf_close_fd(&server->log_fd);
}

static int start_server(struct server *server, const struct lease *lease,
			struct vf_err *err)
{
	__close int conf_fd = memfd_create("udhcpd", MFD_CLOEXEC);
	__close int scratch_fd = memfd_create("udhcpd", MFD_CLOEXEC);
	__close int said_fd = -1;
	pid_t parent = getpid();
	int fds[2], ret;

	*server = (struct server){ .log_fd = -1 };
	if (conf_fd < 0 || scratch_fd < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return vf_err_errno(err, errno, "udhcpd");
	server->log_fd = fds[0];
	said_fd = fds[1];
	ret = write_conf(conf_fd, lease, scratch_fd);
	if (!ret) {
		server->pid = fork();
		if (server->pid == 0)
			become_server(parent, conf_fd, scratch_fd, said_fd);
		ret = server->pid < 0 ? -errno : 0;
	}
	vf_close_fd(&said_fd);
	said_fd = -1;
	return ret < 0 ? vf_err_errno(err, ret, "udhcpd")
		       : await_server(server, err);
}

/* Who asks for an address has none yet: rules want a fork to speak with its own. */
static int admit(const struct lease *lease, const char *verb,
		 struct vf_err *err)
{
	char command[256], mac[18];

	mac_write(mac, lease->mac);
	snprintf(command, sizeof(command),
		 "%s element %s " NFT_TABLE
		 " %s.ip4 { \"%s\" . %s . 0.0.0.0 }\n",
		 verb, mode_of(lease->conf)->family, lease->conf->bridge,
		 lease->tap, mac);
	return nft_run(command, err);
}

static int resuming(const struct fork_job *job, struct vmm *vmm, void *ctx,
		    struct vf_err *err)
{
	struct lease *lease = ctx;

	(void)vmm;
	strcpy(lease->tap, job->vm.nics[0].port.tap);
	return admit(lease, "add", err);
}

/* What is gone already is added first: then deleting it is no error. */
static void forget(const struct lease *lease)
{
	struct vf_err ignored;

	if (lease->tap[0] && admit(lease, "add", &ignored) == 0)
		admit(lease, "delete", &ignored);
}

static int take(struct ack_row *row, const struct ack_site *site,
		struct lease *lease, struct vf_err *err)
{
	struct ack_way way = {
		.num_links = 1,
		.link.wish = { .has_mac = true, .num_addr4 = 1 },
		.resuming = resuming,
		.ctx = lease,
	};
	struct server server;
	int ret;

	memcpy(way.link.wish.mac, lease->mac, sizeof(lease->mac));
	way.link.wish.addr4[0] = lease->addr;
	ret = start_server(&server, lease, err);
	if (!ret) {
		ret = ack_take_way(row, site, &way, err);
		forget(lease);
	}
	stop_server(&server);
	return ret;
}

int ack_dhcp_take(struct ack_row *row, const struct ack_site *site,
		  struct vf_err *err)
{
	const char *name = site->snapshot->nics[0].net_name;
	struct lease lease = { 0 };
	struct net *net;
	int ret = net_open(&net, site->state->net_fd, name, err);

	if (ret < 0)
		return ret;
	ret = choose(&lease, net_get_conf(net));
	ret = ret < 0 ? vf_err_errno(err, ret, "DHCP")
		      : take(row, site, &lease, err);
	net_close(net);
	return ret;
}
