// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/nft.h"
#include "net/rtnl.h"

#define RUN_TRIES	 5
#define RUN_PAUSE_US	 2000
#define DESCRIPTORS_FREE 16
#define NFT_TYPE(msg)	 (NFNL_SUBSYS_NFTABLES << 8 | (msg))

static void ctx_put(struct nft_ctx **ctx)
{
	if (*ctx)
		nft_ctx_free(*ctx);
}

/* libnftables says what went wrong in words only. */
static const struct {
	const char *text;
	int num;
} reasons[] = {
	{ "No such file or directory", ENOENT },
	{ "Operation not permitted", EPERM },
	{ "Operation not supported", EOPNOTSUPP },
	{ "Protocol error", EOPNOTSUPP },
	{ "Address family not supported", EOPNOTSUPP },
	{ "File exists", EEXIST },
	{ "Device or resource busy", EBUSY },
	{ "Cannot allocate memory", ENOMEM },
	{ "Interrupted system call", EINTR },
	{ "No buffer space", ENOBUFS },
};

static int reason_set(const char *text, struct vf_err *err)
{
	const char *start = strstr(text, "Error: ");
	int num = EIO;

	start = start ? start + strlen("Error: ") : text;
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (strstr(start, reasons[i].text)) {
			num = reasons[i].num;
			break;
		}
	}
	return vf_err_set(err, num, "nftables: %.*s", (int)strcspn(start, "\n"),
			  start);
}

static int run_once(const char *commands, json_t **out, struct vf_err *err);

/* Another program's transaction in between makes the kernel refuse ours. */
static int run(const char *commands, json_t **out, struct vf_err *err)
{
	int ret = -EINTR;

	for (int try = 0; try < RUN_TRIES && ret == -EINTR; try++) {
		if (try)
			usleep(RUN_PAUSE_US);
		ret = run_once(commands, out, err);
	}
	return ret;
}

/* libnftables prints one document per list command. */
static int output_parse(const char *text, json_t *out, struct vf_err *err)
{
	size_t len = strlen(text), i;
	json_error_t where;
	json_t *part;

	while (len > strspn(text, " \n")) {
		json_t *root =
			json_loadb(text, len, JSON_DISABLE_EOF_CHECK, &where);

		if (!root)
			return vf_err_set(err, EBADMSG, "nftables: %s",
					  where.text);
		json_array_foreach(json_object_get(root, "nftables"), i, part)
			json_array_append(out, part);
		json_decref(root);
		text += where.position;
		len -= where.position;
	}
	return 0;
}

/*
 * libnftables waits by select(), which ends a process whose descriptor is too high.
 * Its socket gets the lowest that is free, and other threads open things meanwhile:
 * so many low ones have to be free that they cannot take all of them in between.
 */
static int descriptors_check(struct vf_err *err)
{
	int fds[DESCRIPTORS_FREE];
	unsigned int num = 0;
	int ret = 0;

	while (!ret && num < ARRAY_SIZE(fds)) {
		int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			ret = vf_err_errno(err, errno, "nftables");
		else if (fd >= FD_SETSIZE)
			ret = vf_err_set(err, EMFILE,
					 "nftables: more than %d open files",
					 FD_SETSIZE - DESCRIPTORS_FREE);
		if (fd >= 0)
			fds[num++] = fd;
	}
	while (num)
		close(fds[--num]);
	return ret;
}

/*
 * libnftables ends the process where the kernel has no netfilter sockets, and prints
 * lines of its own where they are of no use.
 */
static int sockets_check(struct vf_err *err)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	__close int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0 && (errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT))
		return vf_err_errno(err, EOPNOTSUPP, "nftables");
	if (fd < 0)
		return vf_err_errno(err, errno, "nftables");
	if (syscall(SYS_capget, &head, data) == 0 &&
	    data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective &
		    CAP_TO_MASK(CAP_NET_ADMIN))
		return 0;
	vf_err_errno(err, EPERM, "nftables");
	vf_err_hint(err, "be root, at least of namespaces of your own: "
			 "'unshare --user --map-root-user --net --mount'");
	return -EPERM;
}

static int run_once(const char *commands, json_t **out, struct vf_err *err)
{
	__cleanup(ctx_put) struct nft_ctx *ctx = NULL;

	if (sockets_check(err) < 0 || descriptors_check(err) < 0)
		return -err->num;
	ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!ctx || nft_ctx_buffer_error(ctx) || nft_ctx_buffer_output(ctx))
		return vf_err_errno(err, ENOMEM, "nftables");
	if (out)
		nft_ctx_output_set_flags(
			ctx, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_NUMERIC_ALL);
	if (nft_run_cmd_from_buffer(ctx, commands))
		return reason_set(nft_ctx_get_error_buffer(ctx), err);
	if (!out)
		return 0;
	*out = json_array();
	if (!*out)
		return vf_err_errno(err, ENOMEM, "nftables");
	return output_parse(nft_ctx_get_output_buffer(ctx), *out, err);
}

int nft_run(const char *commands, struct vf_err *err)
{
	return run(commands, NULL, err);
}

int nft_read(const char *commands, json_t **out, struct vf_err *err)
{
	int ret;

	*out = NULL;
	ret = run(commands, out, err);
	if (ret < 0) {
		json_decref(*out);
		*out = NULL;
	}
	return ret;
}

static struct nl_msg *request_add(struct rtnl *rtnl, int type, int flags,
				  int family, int resource)
{
	struct nfgenmsg nfg = { .nfgen_family = family,
				.version = NFNETLINK_V0,
				.res_id = htons(resource) };
	struct nl_msg *msg;

	msg = rtnl_add(rtnl, type, flags, "nftables");
	if (!msg || nlmsg_append(msg, &nfg, sizeof(nfg), NLMSG_ALIGNTO) < 0)
		return NULL;
	return msg;
}

int nft_chain_exists(int family, const char *chain, struct vf_err *err)
{
	__rtnl struct rtnl rtnl = RTNL_INIT;
	struct nl_msg *msg;
	int ret;

	ret = rtnl_open(&rtnl, NETLINK_NETFILTER, err);
	if (ret < 0)
		return ret;
	msg = request_add(&rtnl, NFT_TYPE(NFT_MSG_GETCHAIN), NLM_F_ACK, family,
			  0);
	if (!msg || nla_put_string(msg, NFTA_CHAIN_TABLE, NFT_TABLE) < 0 ||
	    nla_put_string(msg, NFTA_CHAIN_NAME, chain) < 0)
		return vf_err_errno(err, ENOMEM, "nftables");
	ret = rtnl_commit(&rtnl, RTNL_STRICT, err);
	return ret == -ENOENT ? 0 : ret < 0 ? ret : 1;
}

/* The guard goes with the table: the kernel does all of a batch, or nothing. */
static int guard_remove_add(struct rtnl *rtnl, int family)
{
	struct nl_msg *chain, *set;

	chain = request_add(rtnl, NFT_TYPE(NFT_MSG_DELCHAIN), NLM_F_ACK, family,
			    0);
	if (!chain || nla_put_string(chain, NFTA_CHAIN_TABLE, NFT_TABLE) < 0 ||
	    nla_put_string(chain, NFTA_CHAIN_NAME, NFT_GUARD) < 0)
		return -ENOMEM;
	set = request_add(rtnl, NFT_TYPE(NFT_MSG_DELSET), NLM_F_ACK, family, 0);
	if (!set || nla_put_string(set, NFTA_SET_TABLE, NFT_TABLE) < 0 ||
	    nla_put_string(set, NFTA_SET_NAME, NFT_GUARD_SET) < 0)
		return -ENOMEM;
	return 0;
}

int nft_table_remove(int family, struct vf_err *err)
{
	__rtnl struct rtnl rtnl = RTNL_INIT;
	struct nl_msg *begin, *msg, *end;
	int has_guard = nft_chain_exists(family, NFT_GUARD, err);
	int ret;

	if (has_guard < 0)
		return has_guard;
	ret = rtnl_open(&rtnl, NETLINK_NETFILTER, err);
	if (ret < 0)
		return ret;
	begin = request_add(&rtnl, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC,
			    NFNL_SUBSYS_NFTABLES);
	if (has_guard)
		ret = guard_remove_add(&rtnl, family);
	/* NONREC: the kernel refuses if another network has something in it */
	msg = request_add(&rtnl, NFT_TYPE(NFT_MSG_DELTABLE),
			  NLM_F_ACK | NLM_F_NONREC, family, 0);
	end = request_add(&rtnl, NFNL_MSG_BATCH_END, 0, AF_UNSPEC,
			  NFNL_SUBSYS_NFTABLES);
	if (!begin || ret < 0 || !msg || !end ||
	    nla_put_string(msg, NFTA_TABLE_NAME, NFT_TABLE) < 0)
		return vf_err_errno(err, ENOMEM, "nftables");
	ret = rtnl_commit(&rtnl, RTNL_UNDO, err);
	return ret == -EBUSY ? 0 : ret;
}
