// SPDX-License-Identifier: MIT
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bake/init.h"

#define UNIT_DIR    "usr/lib/systemd/system"
#define WANTS_DIR   "etc/systemd/system/multi-user.target.wants"
#define AGENT_UNIT  "vmfork-agent.service"
#define MODULE_UNIT "vmfork-modules.service"
#define RC_SCRIPT   "etc/init.d/vmfork-agent"
#define RC_LINK_FMT "etc/runlevels/%s/%s"
#define INITTAB	    "etc/inittab"
#define INITTAB_MAX (1 << 20)
#define TEXT_MAX    4096
#define MAIL_DROPIN "init/vmfork-mail.conf"
#define START_AGENT "usr/lib/vmfork/start-agent" /* of busybox */

static const char *const names[] = {
	[INIT_AUTO] = "auto",	  [INIT_SYSTEMD] = "systemd",
	[INIT_OPENRC] = "openrc", [INIT_BUSYBOX] = "busybox",
	[INIT_NONE] = "none",
};

static_assert(ARRAY_SIZE(names) == INIT_NUM, "a name for each init");

/*
 * Beside the agent's unit, which wants it: what keeps others off the network of a
 * VM that boots with mail, and what has journald take a new machine id.
 */
static const struct {
	const char *from;
	const char *to;
} beside[] = {
	{ "init/vmfork-journal.path", UNIT_DIR "/vmfork-journal.path" },
	{ "init/vmfork-journal.service", UNIT_DIR "/vmfork-journal.service" },
	{ "init/vmfork-journal.sh", "usr/lib/vmfork/journal" },
	{ "init/vmfork-network.service", UNIT_DIR "/vmfork-network.service" },
	{ "init/vmfork-network.conf", "usr/lib/vmfork/network.conf" },
	{ MAIL_DROPIN, UNIT_DIR "/networking.service.d/vmfork.conf" },
	{ MAIL_DROPIN, UNIT_DIR "/ifup@.service.d/vmfork.conf" },
	{ MAIL_DROPIN,
	  UNIT_DIR "/systemd-networkd-wait-online.service.d/vmfork.conf" },
};

int init_parse(enum init_kind *kind, const char *word)
{
	for (size_t i = 0; i < INIT_NUM; i++) {
		if (strcmp(word, names[i]) != 0)
			continue;
		*kind = (enum init_kind)i;
		return 0;
	}
	return -EINVAL;
}

const char *init_name(enum init_kind kind)
{
	return kind < INIT_NUM ? names[kind] : "none that is known";
}

static bool is_there(struct view *view, enum init_kind kind)
{
	switch (kind) {
	case INIT_SYSTEMD:
		return view_has(view, "usr/lib/systemd/systemd", VIEW_FILE) ||
		       view_has(view, "lib/systemd/systemd", VIEW_FILE);
	case INIT_OPENRC:
		return view_has(view, "sbin/openrc-run", VIEW_FILE) ||
		       view_has(view, "usr/sbin/openrc-run", VIEW_FILE);
	case INIT_BUSYBOX:
		return view_has(view, INITTAB, VIEW_FILE) &&
		       (view_has(view, "bin/busybox", VIEW_FILE) ||
			view_has(view, "usr/bin/busybox", VIEW_FILE));
	case INIT_NONE:
		return true;
	case INIT_AUTO:
	case INIT_NUM:
		break;
	}
	return false;
}

enum init_kind init_detect(struct view *view)
{
	for (enum init_kind kind = INIT_SYSTEMD; kind < INIT_NONE; kind++)
		if (is_there(view, kind))
			return kind;
	return INIT_AUTO;
}

/* The options behind "run". */
static void options(char *out, size_t size, const struct init_wish *wish)
{
	snprintf(out, size, "%s%s",
		 strcmp(wish->signal, "auto") ? " --signal " : "",
		 strcmp(wish->signal, "auto") ? wish->signal : "");
}

/* A unit or a script, the agent's options behind a mark in it. */
static int plan_template(struct plan *plan, const struct source *source,
			 const char *name, const char *path, mode_t mode,
			 const char *mark, const char *words,
			 struct vf_err *err)
{
	__source_file struct source_file file = { 0 };
	__free char *text = NULL;
	int ret = source_read(source, name, &file, err), head;
	const char *at;

	if (ret < 0)
		return ret;
	at = strstr(file.data, mark);
	if (!at)
		return vf_err_set(err, EINVAL, "%s: has no '%s'", name, mark);
	head = (int)(at + strlen(mark) - file.data);
	ret = asprintf(&text, "%.*s%s%s", head, file.data, words,
		       file.data + head);
	if (ret < 0) {
		text = NULL;
		return vf_err_errno(err, ENOMEM, "%s", name);
	}
	return plan_file(plan, path, mode, text, (size_t)ret, err);
}

static int plan_unit(struct plan *plan, const struct source *source,
		     const char *name, const char *mark, const char *words,
		     struct vf_err *err)
{
	char from[64], to[128], link[128];
	int ret;

	snprintf(from, sizeof(from), "init/%s", name);
	snprintf(to, sizeof(to), UNIT_DIR "/%s", name);
	snprintf(link, sizeof(link), WANTS_DIR "/%s", name);
	ret = plan_template(plan, source, from, to, 0644, mark, words, err);
	if (ret < 0)
		return ret;
	snprintf(to, sizeof(to), "/" UNIT_DIR "/%s", name);
	return plan_link(plan, link, to, err);
}

static int plan_beside(struct plan *plan, const struct source *source,
		       struct vf_err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < ARRAY_SIZE(beside); i++) {
		__source_file struct source_file file = { 0 };

		ret = source_read(source, beside[i].from, &file, err);
		if (!ret)
			ret = plan_file(plan, beside[i].to, 0644, file.data,
					file.len, err);
	}
	return ret;
}

static int plan_systemd(struct plan *plan, const struct source *source,
			const struct init_wish *wish, const char *words,
			struct vf_err *err)
{
	int ret = plan_unit(plan, source, AGENT_UNIT,
			    "ExecStart=" INIT_AGENT " run", words, err);

	if (!ret)
		ret = plan_beside(plan, source, err);
	if (!ret && wish->release)
		ret = plan_unit(plan, source, MODULE_UNIT,
				"ConditionPathExists=" INIT_MODULES, "", err);
	return ret;
}

/*
 * Debian mounts and configures the network in sysinit, others in boot; which comes
 * after it, whatever a script there says of its order.
 */
static const char *openrc_level(struct view *view)
{
	static const char *const early[] = { "mountall.sh", "networking" };
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(early); i++) {
		snprintf(path, sizeof(path), RC_LINK_FMT, "sysinit", early[i]);
		if (view_has(view, path, VIEW_FILE))
			return "sysinit";
	}
	return "boot";
}

static int plan_openrc(struct plan *plan, const struct source *source,
		       const char *words, struct vf_err *err)
{
	char link[64];
	int ret = plan_template(plan, source, "init/vmfork-agent.openrc",
				RC_SCRIPT, 0755, "command_args=\"run", words,
				err);

	if (ret < 0)
		return ret;
	snprintf(link, sizeof(link), RC_LINK_FMT, openrc_level(plan->view),
		 "vmfork-agent");
	return plan_link(plan, link, "/" RC_SCRIPT, err);
}

static bool line_is_terminal(const char *line)
{
	const char *action = strchr(line, ':');

	action = action ? strchr(action + 1, ':') : NULL;
	return *line != '#' && action && action < line + strcspn(line, "\n") &&
	       (!strncmp(action, ":respawn:", 9) ||
		!strncmp(action, ":askfirst:", 10));
}

/*
 * In front of the first line that is started over and over, one of which is the
 * login prompt. Those that init waits for it starts in their order, before.
 */
static size_t inittab_place(const char *inittab, size_t len)
{
	const char *line = inittab;

	while (line && line < inittab + len) {
		if (line_is_terminal(line))
			return (size_t)(line - inittab);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return len;
}

/* Lines in front of the login prompt, and the script that it names. */
static int plan_busybox(struct plan *plan, const struct source *source,
			const struct init_wish *wish, const char *words,
			struct vf_err *err)
{
	__free char *inittab = NULL;
	struct view_node node;
	char plain[PATH_MAX], text[TEXT_MAX], modules[TEXT_MAX / 2] = "";
	size_t len = 0, at;
	bool glued;
	int ret = plan_template(plan, source, "init/vmfork-agent.busybox",
				START_AGENT, 0755, INIT_AGENT " run", words,
				err);

	if (!ret)
		ret = view_resolve(plan->view, INITTAB, plain, &node, err);
	if (!ret)
		ret = view_read(plan->view, plain, INITTAB_MAX, &inittab, &len,
				err);
	if (ret < 0)
		return ret;
	if (wish->release)
		snprintf(modules, sizeof(modules),
			 "::sysinit:/sbin/insmod " INIT_MODULES
			 "/%1$s/vmfork_mailbox.ko\n"
			 "::sysinit:/sbin/insmod " INIT_MODULES
			 "/%1$s/vmfork_vmclock.ko\n",
			 wish->release);
	at = inittab_place(inittab, len);
	/* a last line that nothing ends stays so, once ours are gone again */
	glued = at == len && len && inittab[len - 1] != '\n';
	snprintf(text, sizeof(text),
		 "%s# vmfork bake\n%s::wait:/" START_AGENT "%s",
		 glued ? "\n" : "", modules, glued ? "" : "\n");
	return plan_edit(plan, INITTAB, at, text, err);
}

int init_plan(struct plan *plan, const struct source *source,
	      const struct init_wish *wish, struct vf_err *err)
{
	char words[64];

	options(words, sizeof(words), wish);
	if (!is_there(plan->view, wish->kind))
		return vf_err_set(err, EINVAL, "there is no %s in it",
				  init_name(wish->kind));
	switch (wish->kind) {
	case INIT_SYSTEMD:
		return plan_systemd(plan, source, wish, words, err);
	case INIT_OPENRC:
		return plan_openrc(plan, source, words, err);
	case INIT_BUSYBOX:
		return plan_busybox(plan, source, wish, words, err);
	case INIT_AUTO:
	case INIT_NONE:
	case INIT_NUM:
		break;
	}
	return 0;
}
