// SPDX-License-Identifier: MIT
/*
 * An engine that was started ahead reads its name and its mail at boot once, when
 * it starts; both come with the fork that takes it. So it gets a name as long as
 * any, and mail that is none but bears that name, finds itself asked where it has
 * them, and gets the true ones written over them. ready.h holds the contract.
 *
 * QEMU keeps what a -fw_cfg file= held in one piece of its heap, as long as it
 * lives: fw_cfg_add_file() in hw/nvram/fw_cfg.c keeps the pointer, and a reset
 * changes only the order of boot devices. Its guest has not run yet, so nothing
 * hostile was near it; and what stands there is compared before it is changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/word.h"
#include "core/ready.h"

#define MAIL_TEXT "no mail yet: "

void ready_engine_name(const struct vm *vm, char name[VF_NAME_MAX + 1])
{
	memset(name, '.', VF_NAME_MAX);
	name[VF_NAME_MAX] = '\0';
	memcpy(name, vm->name, strlen(vm->name));
}

/* A restore id of zeros is no mail, whatever follows. */
static void blank_mail(struct vmfork_mail *mail, const char *name)
{
	*mail = (struct vmfork_mail){ 0 };
	snprintf((char *)mail->payload, sizeof(mail->payload), MAIL_TEXT "%s",
		 name);
}

int ready_write_mail(const struct vm *vm, struct vf_err *err)
{
	struct vmfork_mail mail;

	blank_mail(&mail, vm->name);
	return vf_write_file(vm->run_fd, VM_MAIL_FILE, &mail, sizeof(mail),
			     false, err);
}

static json_t *word_pack(const struct word *word)
{
	json_t *json = json_array();

	for (unsigned int i = 0; i < word->num; i++)
		json_array_append_new(json,
				      json_integer((json_int_t)word->at[i]));
	return json;
}

static int word_unpack(struct word *word, json_t *json, struct vf_err *err)
{
	word->num = (unsigned int)json_array_size(json);
	if (!word->num || word->num > WORD_PLACES)
		return vf_err_set(err, EBADMSG, "%s: invalid",
				  READY_LABEL_FILE);
	for (unsigned int i = 0; i < word->num; i++)
		word->at[i] =
			(uint64_t)json_integer_value(json_array_get(json, i));
	return 0;
}

int ready_label(const struct vm *vm, struct vmm *vmm, struct vf_err *err)
{
	char name[VF_NAME_MAX + 1];
	struct word name_at = { 0 }, mail_at = { 0 };
	struct vmfork_mail mail;
	__json json_t *json = NULL;
	uint64_t page_hva;
	int ret;

	ready_engine_name(vm, name);
	blank_mail(&mail, vm->name);
	ret = word_find(&vmm->proc, name, sizeof(name), &name_at, err);
	if (!ret)
		ret = word_find(&vmm->proc, &mail, sizeof(mail), &mail_at, err);
	if (ret < 0)
		return ret;
	if (!name_at.num || mail_at.num != 1)
		return vf_err_set(err, ENOTSUP,
				  "its engine has its mail at boot %u times, "
				  "its name %u times: it could not be told "
				  "whose it is",
				  mail_at.num, name_at.num);
	ret = vmm->ops->locate(vmm, vm->mailbox_gpa, &page_hva, err);
	if (ret < 0)
		return ret;
	json = json_pack("{s:s,s:o,s:o,s:I}", "entry", vm->name, "name",
			 word_pack(&name_at), "mail", word_pack(&mail_at),
			 "mailbox", (json_int_t)page_hva);
	if (!json)
		return vf_err_errno(err, ENOMEM, READY_LABEL_FILE);
	return vf_json_save(vm->run_fd, READY_LABEL_FILE, json, false, err);
}

int64_t ready_age_s(const struct vf_state *pool, const char *name)
{
	char path[VF_NAME_MAX + sizeof("/" READY_LABEL_FILE)];
	struct timespec now;
	struct stat st;

	snprintf(path, sizeof(path), "%s/" READY_LABEL_FILE, name);
	if (fstatat(pool->vms_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec > st.st_mtim.tv_sec ? now.tv_sec - st.st_mtim.tv_sec
					      : 0;
}

static int change_name(const struct vm *vm, struct vmm *vmm, const char *entry,
		       const struct word *at, struct vf_err *err)
{
	char from[VF_NAME_MAX + 1], to[VF_NAME_MAX + 1] = "";
	struct vm was = { .run_fd = -1 };

	snprintf(was.name, sizeof(was.name), "%s", entry);
	ready_engine_name(&was, from);
	memcpy(to, vm->name, strlen(vm->name));
	return word_change(&vmm->proc, at, from, to, sizeof(from), err);
}

static int change_mail(struct vmm *vmm, const char *entry,
		       const struct word *at, const struct letter *boot,
		       struct vf_err *err)
{
	struct vmfork_mail from, to;
	int ret = letter_seal(boot, 0, &to, err);

	blank_mail(&from, entry);
	if (!ret)
		ret = word_change(&vmm->proc, at, &from, &to, sizeof(from),
				  err);
	return ret;
}

int ready_relabel(const struct vm *vm, struct vmm *vmm,
		  const struct letter *boot, struct vf_err *err)
{
	struct word name_at = { 0 }, mail_at = { 0 };
	__json json_t *json = NULL;
	json_t *name = NULL, *mail = NULL;
	const char *entry = NULL;
	json_int_t page_hva = 0;
	int ret = vf_json_load(vm->run_fd, READY_LABEL_FILE, &json, err);

	if (!ret)
		ret = vf_json_unpack(json, READY_LABEL_FILE, err,
				     "{s:s,s:o,s:o,s:I}", "entry", &entry,
				     "name", &name, "mail", &mail, "mailbox",
				     &page_hva);
	if (!ret)
		ret = word_unpack(&name_at, name, err);
	if (!ret)
		ret = word_unpack(&mail_at, mail, err);
	if (!ret)
		ret = change_mail(vmm, entry, &mail_at, boot, err);
	if (!ret)
		ret = change_name(vm, vmm, entry, &name_at, err);
	if (ret < 0)
		return ret;
	vmm->ops->recall(vmm, vm->mailbox_gpa, (uint64_t)page_hva);
	/* neither is true any more */
	unlinkat(vm->run_fd, READY_LABEL_FILE, 0);
	unlinkat(vm->run_fd, VM_MAIL_FILE, 0);
	return 0;
}
