// SPDX-License-Identifier: MIT
/*
 * Write mail that no vmfork writes into the mailbox of a running VM, whose vCPUs
 * stand still meanwhile, and print its restore id: with a chosen fault, or for
 * an interface that is found by its name or index. The identity in it is not the
 * VM's, so that mail which should have been refused can be seen applied; it is
 * made from that of the interface NIC, 0 if none is named.
 *
 *	postmail VM FAULT
 *	postmail VM name|index NIC NAME|INDEX
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/mailbox.h"
#include "core/vm.h"

#define UNKNOWN_ATTR 0x3ff

/* The payload's first attribute is the link, whose first is what it matches. */
#define FIRST_INNER_LEN 4

/* What there is to be changed before it is sealed, or spoilt after it. */
struct post {
	const char *which; /* of match_name() and match_index() */
	struct identity_link *link;
};

static struct vmfork_mail mail;

static void match_name(const struct post *post)
{
	post->link->match = IDENTITY_MATCH_NAME;
	snprintf(post->link->match_name, sizeof(post->link->match_name), "%s",
		 post->which);
}

/* No gateway either: IPv6 on its link alone. */
static void match_index(const struct post *post)
{
	post->link->match = IDENTITY_MATCH_INDEX;
	post->link->match_index = (uint32_t)strtoul(post->which, NULL, 10);
	post->link->has_gateway6 = false;
}

static void prefix_too_long(const struct post *post)
{
	post->link->addr4[0].prefix_len = 33;
}

static void spoil_crc(void)
{
	mail.crc32c ^= 1;
}

static void spoil_length(void)
{
	mail.payload_len = VMFORK_PAYLOAD_MAX + 1;
}

static void spoil_arm(void)
{
	mail.arm_seq++;
	mail_seal(&mail, mail.payload_len);
}

static void spoil_mandatory(void)
{
	uint16_t attr[2] = { sizeof(attr),
			     UNKNOWN_ATTR | VMFORK_ATTR_MANDATORY };

	memcpy(mail.payload + mail.payload_len, attr, sizeof(attr));
	mail_seal(&mail, mail.payload_len + sizeof(attr));
}

static void spoil_nesting(void)
{
	memset(mail.payload + FIRST_INNER_LEN, 0xff, sizeof(uint16_t));
	mail_seal(&mail, mail.payload_len);
}

static const struct kind {
	const char *name;
	void (*change)(const struct post *post);
	void (*spoil)(void);
	bool has_which;
} kinds[] = {
	{ .name = "none" },
	{ "name", match_name, NULL, true },
	{ "index", match_index, NULL, true },
	{ "prefix", prefix_too_long, NULL, false },
	{ "crc", NULL, spoil_crc, false },
	{ "length", NULL, spoil_length, false },
	{ "arm", NULL, spoil_arm, false },
	{ "mandatory", NULL, spoil_mandatory, false },
	{ "nesting", NULL, spoil_nesting, false },
};

/* Somebody else on the VM's network. */
static int write_letter(struct letter *letter, const struct vm *vm,
			unsigned int nic, struct vf_err *err)
{
	struct net_conf conf = { .prefix4 = 24, .prefix6 = 64 };
	struct net_port port = vm->nics[nic].port;
	const struct letter_link link = {
		.conf = &conf,
		.port = &port,
		.old_mac = vm->nics[nic].port.mac,
	};

	port.mac[5] ^= 0x80;
	((uint8_t *)&port.addr4[0])[3] ^= 0x80;
	port.addr6[0].s6_addr[15] ^= 0x80;
	conf.addr4 = vm->nics[nic].port.addr4[0];
	conf.addr6 = vm->nics[nic].port.addr6[0];
	memcpy(conf.mac, vm->nics[nic].port.mac, sizeof(conf.mac));
	return letter_init(letter, &link, 1, 0, err);
}

/* The VM goes on whatever happened. */
static int post(struct vmm *vmm, const struct vm *vm,
		const struct letter *letter, const struct kind *kind,
		struct vf_err *err)
{
	struct vmfork_mailbox page;
	struct vf_err ignored;
	int64_t at_us;
	int ret = vmm->ops->pause(vmm, &at_us, err);

	if (!ret)
		ret = mailbox_read(vmm, vm->mailbox_gpa, &page, err);
	if (!ret)
		ret = letter_seal(letter, page.header.arm_seq, &mail, err);
	if (!ret) {
		if (kind->spoil)
			kind->spoil();
		ret = vmm->ops->poke(vmm, vm->mailbox_gpa + VMFORK_MAIL_OFFSET,
				     &mail, sizeof(mail), err);
	}
	if (vmm->ops->resume(vmm, &at_us, ret ? &ignored : err) < 0)
		return ret ? ret : -err->num;
	return ret;
}

static int run(const char *name, const struct kind *kind, char **which,
	       struct vf_err *err)
{
	unsigned int nic = which ? (unsigned int)strtoul(*which, NULL, 10) : 0;
	char id[2 * VMFORK_ID_LEN + 1];
	struct letter letter;
	struct vf_state state;
	struct vmm vmm;
	struct vm vm = { .run_fd = -1 };
	int ret = state_open(&state, NULL, err);

	if (!ret)
		ret = vm_open(&vm, &state, name, err);
	if (!ret && nic >= vm.num_nics)
		ret = vf_err_set(err, EINVAL, "%s has %u interfaces", name,
				 vm.num_nics);
	if (!ret)
		ret = write_letter(&letter, &vm, nic, err);
	if (!ret && kind->change)
		kind->change(&(struct post){ which ? which[1] : NULL,
					     &letter.identity.link[0] });
	if (!ret)
		ret = vm_attach(&vm, &vmm, -1, err);
	if (!ret) {
		ret = post(&vmm, &vm, &letter, kind, err);
		vm_detach(&vmm);
	}
	vm_close(&vm);
	state_close(&state);
	if (ret < 0)
		return ret;
	vf_hex(id, letter.restore_id, VMFORK_ID_LEN);
	puts(id);
	return 0;
}

int main(int argc, char **argv)
{
	struct vf_err err;

	for (size_t i = 0; argc >= 3 && i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, argv[2]) != 0 ||
		    argc != (kinds[i].has_which ? 5 : 3))
			continue;
		if (run(argv[1], &kinds[i], argc == 5 ? &argv[3] : NULL,
			&err) == 0)
			return EXIT_SUCCESS;
		fprintf(stderr, "postmail: %s\n", err.msg);
		return EXIT_FAILURE;
	}
	fprintf(stderr, "usage: postmail VM FAULT\n"
			"       postmail VM name|index NIC NAME|INDEX\n");
	return 2;
}
