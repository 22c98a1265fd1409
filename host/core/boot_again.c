// SPDX-License-Identifier: MIT
/* A VM that was kept boots from its own disks, as itself. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/boot_start.h"
#include "core/keep.h"

/*
 * What is in its memory is of no snapshot any more: a diff would take that for
 * its base. It is on record before its engine starts.
 */
static int renew_record(struct vm *vm, struct vf_err *err)
{
	vm->snapshot[0] = '\0';
	memset(vm->snapshot_id, 0, sizeof(vm->snapshot_id));
	vm->mailbox_gpa = 0;
	for (unsigned int k = 0; k < vm->num_nics; k++) {
		struct vm_nic *nic = &vm->nics[k];

		nic->port.verified = false;
		memcpy(nic->guest_mac, nic->port.mac, sizeof(nic->guest_mac));
		if (nic->shaping != NIC_SHAPING_NONE)
			nic->shaping = NIC_SHAPING_PENDING;
	}
	unlinkat(vm->run_fd, VM_TIMELINE_FILE, 0);
	return vm_save(vm, err);
}

/* A machine that crashed may have forgotten who has it. */
static int renew_lease(struct net *net, struct vm_nic *nic, struct vf_err *err)
{
	struct net_port port = nic->port;
	struct net_wish wish = {
		.no_ipv4 = !port.num_addr4,
		.no_ipv6 = !port.num_addr6,
		.has_mac = true,
		.num_addr4 = port.num_addr4,
		.num_addr6 = port.num_addr6,
		.prefix4 = port.prefix4,
		.prefix6 = port.prefix6,
	};
	int ret;

	memcpy(wish.mac, port.mac, sizeof(wish.mac));
	memcpy(wish.addr4, port.addr4, sizeof(wish.addr4));
	memcpy(wish.addr6, port.addr6, sizeof(wish.addr6));
	ret = net_ports_lease(net, &wish, &port, 1, err);
	if (ret == -EEXIST)
		return 0;
	if (!ret)
		nic->port = port;
	return ret;
}

static int renew_leases(struct boot *b, struct vf_err *err)
{
	struct vm *vm = b->vm;
	int ret;

	b->nets.num = vm->num_nics;
	for (unsigned int k = 0; k < vm->num_nics; k++)
		memcpy(b->nets.link[k].net_name, vm->nics[k].net_name,
		       sizeof(vm->nics[k].net_name));
	ret = nets_open(&b->nets, b->state, err);
	for (unsigned int k = 0; !ret && k < vm->num_nics; k++) {
		b->nets.link[k].wish.no_ipv4 = !vm->nics[k].port.num_addr4;
		ret = renew_lease(b->nets.net[k], &vm->nics[k], err);
	}
	return ret;
}

/* The way to the gateway, which a letter gets anyhow. */
static bool is_to_gateway(const struct net_conf *conf,
			  const struct identity_route *route)
{
	if (route->has_gateway || route->is_blackhole)
		return false;
	return route->is_ipv6 ? route->dst_len == 128 &&
					!memcmp(route->dst, &conf->addr6, 16)
			      : route->dst_len == 32 &&
					!memcmp(route->dst, &conf->addr4, 4);
}

static void recall_routes(struct boot *b, const struct vmfork_identity *was)
{
	for (unsigned int k = 0; k < b->nets.num && k < was->num_links; k++) {
		const struct net_conf *conf = net_get_conf(b->nets.net[k]);
		struct vm_link *link = &b->nets.link[k];

		for (unsigned int i = 0; i < was->link[k].num_routes; i++)
			if (!is_to_gateway(conf, &was->link[k].routes[i]))
				link->routes[link->num_routes++] =
					was->link[k].routes[i];
	}
}

/* What it was told when it booted, or would have been. */
static int load_mail(const struct vm *vm, struct vmfork_mail *mail,
		     struct vmfork_identity *was)
{
	__close int fd = openat(vm->run_fd, VM_MAIL_FILE, O_RDONLY | O_CLOEXEC);
	uint32_t detail;
	int ret;

	if (fd < 0)
		return -errno;
	ret = vf_pread_all(fd, mail, sizeof(*mail), 0);
	if (!ret)
		ret = mail_check(mail, 0);
	return ret < 0 ? ret
		       : identity_decode(was, mail->payload, mail->payload_len,
					 &detail);
}

/* The same as before, but for whom it answers. */
static int write_mail(struct boot *b, struct vf_err *err)
{
	struct vmfork_identity was = { 0 };
	struct vmfork_mail mail;
	bool is_known = load_mail(b->vm, &mail, &was) == 0;

	if (is_known)
		recall_routes(b, &was);
	else
		vf_log(VF_LOG_WARN,
		       "VM %s: what it was told beside its addresses is lost",
		       b->vm->name);
	return boot_write_mail(b, is_known ? &was.guest : NULL, err);
}

/* Another accelerator is on record once the VM has started on it. */
static int save_accel(struct boot *b, struct vf_err *err)
{
	struct vmm_config *config = &b->vm->hardware.config;

	if (b->accel == VMM_ACCEL_AUTO || b->accel == config->accel)
		return 0;
	config->accel = b->accel;
	return vm_save(b->vm, err);
}

static int boot_claimed(struct boot *b, struct vf_err *err)
{
	struct vm *vm = b->vm;
	int ret = disk_check(&vm->disks, vm->run_fd, err);

	if (!ret)
		ret = disk_resume(vm, &vm->disks, err);
	if (!ret)
		ret = renew_leases(b, err);
	if (!ret)
		ret = renew_record(vm, err);
	if (!ret)
		ret = write_mail(b, err);
	if (!ret)
		ret = boot_start(b, err);
	if (!ret)
		ret = save_accel(b, err);
	return ret < 0 ? ret : boot_shape(b, err);
}

int boot_again(struct vm *vm, const struct vf_state *state,
	       const struct boot_request *request, struct vf_err *err)
{
	struct boot b;
	int ret;

	boot_init(&b, vm, state, request);
	/* it has run on what it has, or was told to: nothing is tried */
	b.kvm = ACCEL_USABLE;
	b.accel = request->config.accel;
	ret = keep_claim(vm, state, request->name, request->cancel_fd, err);
	if (ret < 0)
		return ret;
	ret = boot_claimed(&b, err);
	if (ret < 0)
		boot_stop(&b);
	boot_exit(&b);
	if (ret < 0)
		keep_unclaim(vm);
	else
		vm_created(vm);
	return ret;
}
