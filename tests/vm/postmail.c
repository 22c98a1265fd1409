// SPDX-License-Identifier: MIT
/*
 * Write mail with a chosen fault into the mailbox of a running VM, whose vCPUs
 * stand still meanwhile, and print its restore id. The identity in it is not
 * the VM's, so that mail which should have been refused can be seen applied.
 */
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

static struct vmfork_mail mail;

static void spoil_none(void)
{
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

static const struct fault {
	const char *name;
	void (*spoil)(void);
	uint8_t prefix_len; /* of the IPv4 address */
} faults[] = {
	{ "none", spoil_none, 24 },	      { "crc", spoil_crc, 24 },
	{ "length", spoil_length, 24 },	      { "arm", spoil_arm, 24 },
	{ "mandatory", spoil_mandatory, 24 }, { "nesting", spoil_nesting, 24 },
	{ "prefix", spoil_none, 33 },
};

/* Somebody else on the VM's network. */
static int write_letter(struct letter *letter, const struct vm *vm,
			uint8_t prefix_len, struct vf_err *err)
{
	struct net_conf conf = { .prefix4 = prefix_len, .prefix6 = 64 };
	struct net_port port = vm->nics[0].port;
	const struct letter_link link = {
		.conf = &conf,
		.port = &port,
		.old_mac = vm->nics[0].port.mac,
	};

	port.mac[5] ^= 0x80;
	((uint8_t *)&port.addr4[0])[3] ^= 0x80;
	port.addr6[0].s6_addr[15] ^= 0x80;
	conf.addr4 = vm->nics[0].port.addr4[0];
	conf.addr6 = vm->nics[0].port.addr6[0];
	memcpy(conf.mac, vm->nics[0].port.mac, sizeof(conf.mac));
	return letter_init(letter, &link, 1, 0, err);
}

/* The VM goes on whatever happened. */
static int post(struct vmm *vmm, const struct vm *vm,
		const struct letter *letter, const struct fault *fault,
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
		fault->spoil();
		ret = vmm->ops->poke(vmm, vm->mailbox_gpa + VMFORK_MAIL_OFFSET,
				     &mail, sizeof(mail), err);
	}
	if (vmm->ops->resume(vmm, &at_us, ret ? &ignored : err) < 0)
		return ret ? ret : -err->num;
	return ret;
}

static int run(const char *name, const struct fault *fault, struct vf_err *err)
{
	char id[2 * VMFORK_ID_LEN + 1];
	struct letter letter;
	struct vf_state state;
	struct vmm vmm;
	struct vm vm = { .run_fd = -1 };
	int ret = state_open(&state, NULL, err);

	if (!ret)
		ret = vm_open(&vm, &state, name, err);
	if (!ret)
		ret = write_letter(&letter, &vm, fault->prefix_len, err);
	if (!ret)
		ret = vm_attach(&vm, &vmm, -1, err);
	if (!ret) {
		ret = post(&vmm, &vm, &letter, fault, err);
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

	for (size_t i = 0; argc == 3 && i < ARRAY_SIZE(faults); i++) {
		if (strcmp(faults[i].name, argv[2]) != 0)
			continue;
		if (run(argv[1], &faults[i], &err) == 0)
			return EXIT_SUCCESS;
		fprintf(stderr, "postmail: %s\n", err.msg);
		return EXIT_FAILURE;
	}
	fprintf(stderr, "usage: postmail VM FAULT\n");
	return 2;
}
