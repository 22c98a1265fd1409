// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/told.h"

#define NAME_WORD "{name}"

/* Append; what does not fit is remembered. */
static void put(char text[VMFORK_NAME_MAX + 1], size_t *len, char c)
{
	if (*len < VMFORK_NAME_MAX)
		text[*len] = c;
	(*len)++;
}

static int expand(char out[VMFORK_NAME_MAX + 1], const char *template,
		  const char *name, struct vf_err *err)
{
	const char *at = template;
	size_t len = 0;

	while (*at) {
		if (!strncmp(at, NAME_WORD, strlen(NAME_WORD))) {
			for (const char *c = name; *c; c++)
				put(out, &len, *c == '_' ? '-' : *c);
			at += strlen(NAME_WORD);
		} else if (*at == '{' || *at == '}') {
			return vf_err_set(err, EINVAL,
					  "host name '%s': of braces it may "
					  "hold " NAME_WORD " alone",
					  template);
		} else {
			put(out, &len, *at++);
		}
	}
	if (len < 1 || len > VMFORK_NAME_MAX)
		return vf_err_set(err, EINVAL,
				  "host name '%s': not 1 to %d bytes long",
				  template, VMFORK_NAME_MAX);
	out[len] = '\0';
	return 0;
}

static void set_clock(struct identity_guest *guest, uint64_t monotonic_ns)
{
	guest->has_clock = true;
	guest->clock.monotonic_ns = monotonic_ns;
	letter_stamp(guest);
}

/* As RFC 9562 has it, section 5.4: version 4, random. */
static int set_machine_id(struct identity_guest *guest)
{
	uint8_t *id = guest->machine_id;
	int ret = vf_random(id, VMFORK_ID_LEN);

	guest->has_machine_id = true;
	id[6] = (id[6] & 0x0f) | 0x40;
	id[8] = (id[8] & 0x3f) | 0x80;
	return ret;
}

int told_guest(const struct told *told, struct identity_guest *guest,
	       const char *name, const char *parent, uint64_t monotonic_ns,
	       struct vf_err *err)
{
	int ret = 0;

	*guest = told->all;
	snprintf(guest->name, sizeof(guest->name), "%s", name);
	snprintf(guest->parent, sizeof(guest->parent), "%s", parent);
	if (!told->no_hostname)
		ret = expand(guest->hostname,
			     told->hostname ? told->hostname : NAME_WORD, name,
			     err);
	if (ret < 0)
		return ret;
	if (!told->no_clock)
		set_clock(guest, monotonic_ns);
	if (!told->keep_machine_id)
		ret = set_machine_id(guest);
	if (!ret)
		ret = vf_random(guest->entropy, VMFORK_ENTROPY_LEN);
	guest->has_entropy = true;
	return ret < 0 ? vf_err_errno(err, ret, "random numbers") : 0;
}

int told_check(const struct told *told, struct vf_err *err)
{
	struct letter letter = { 0 };
	int ret = told_guest(told, &letter.identity.guest, "name", "parent", 0,
			     err);

	return ret < 0 ? ret : letter_check(&letter, err);
}

void told_at_boot(struct identity_guest *guest)
{
	guest->has_clock = false;
	guest->has_entropy = false;
	guest->has_hooks = false;
	guest->keep_tcp = false;
	guest->tells_stages = false;
	/* it may be a secret, and this mail stays for as long as the VM does */
	guest->payload = NULL;
	guest->payload_len = 0;
}

static int alloc_payloads(struct told_payloads *payloads, unsigned int num,
			  struct vf_err *err)
{
	payloads->items = calloc(num, sizeof(*payloads->items));
	if (!payloads->items)
		return vf_err_errno(err, ENOMEM, "payload");
	payloads->num = num;
	return 0;
}

int told_payloads_init(struct told_payloads *payloads, const struct told *told,
		       const char *const *names, unsigned int num,
		       int cancel_fd, int64_t deadline_us, struct vf_err *err)
{
	const char *dir = told->payload_dir;
	__close int dir_fd = -1;
	int ret;

	*payloads = (struct told_payloads){ 0 };
	if (!told->payload && !dir)
		return 0;
	ret = alloc_payloads(payloads, told->payload ? 1 : num, err);
	if (ret < 0)
		return ret;
	if (told->payload)
		return payload_read(payloads->items, AT_FDCWD, told->payload,
				    cancel_fd, deadline_us, err);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return vf_err_errno(err, errno, "payloads in %s", dir);
	for (unsigned int i = 0; !ret && i < num; i++)
		ret = payload_read(&payloads->items[i], dir_fd, names[i],
				   cancel_fd, deadline_us, err);
	return ret < 0 ? vf_err_wrap(err, "%s", dir) : 0;
}

void told_payloads_give(const struct told_payloads *payloads,
			unsigned int index, struct identity_guest *guest)
{
	const struct payload *payload;

	if (!payloads->num)
		return;
	payload = &payloads->items[payloads->num > 1 ? index : 0];
	guest->payload = payload->bytes;
	guest->payload_len = payload->len;
}

void told_payloads_exit(struct told_payloads *payloads)
{
	for (unsigned int i = 0; i < payloads->num; i++)
		payload_wipe(&payloads->items[i]);
	free(payloads->items);
	*payloads = (struct told_payloads){ 0 };
}
