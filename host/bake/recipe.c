// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "bake/recipe.h"
#include "bake/source.h"
#include "base/io.h"

#define HOOKS_DIR   "/etc/vmfork"
#define RELEASE_MAX 128

static const char *const hook_dirs[] = { "post-restore.d", "pre-snapshot.d" };
static const char *const modules[] = { "vmfork_mailbox.ko",
				       "vmfork_vmclock.ko" };

static int plan_agent(struct plan *plan, const struct source *source,
		      struct vf_err *err)
{
	__source_file struct source_file file = { 0 };
	int ret = source_read(source, "vmfork-agent", &file, err);

	return ret < 0 ? ret
		       : plan_file(plan, INIT_AGENT, 0755, file.data, file.len,
				   err);
}

/* The agent runs no other names. */
static bool hook_name_is_good(const char *name)
{
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
			    "yz0123456789._-") == strlen(name) &&
	       strlen(name) < 64;
}

static int plan_hook(struct plan *plan, int dir_fd, const char *dir,
		     const char *name, struct vf_err *err)
{
	__source_file struct source_file file = { 0 };
	char to[PATH_MAX];
	int ret;

	if (!hook_name_is_good(name))
		return vf_err_set(err, EINVAL,
				  "hook '%.64s': a name has "
				  "letters, digits, '.', '_' and '-', 63 at "
				  "most",
				  name);
	ret = vf_read_file(dir_fd, name, PLAN_FILE_MAX, &file.data, &file.len,
			   err);
	if (ret < 0)
		return vf_err_wrap(err, "hooks");
	snprintf(to, sizeof(to), HOOKS_DIR "/%s/%s", dir, name);
	return plan_file(plan, to, 0755, file.data, file.len, err);
}

/* Return: how many there were, or -errno */
static int plan_hook_dir(struct plan *plan, const char *from, const char *dir,
			 struct vf_err *err)
{
	char path[PATH_MAX];
	__json json_t *names = NULL;
	const json_t *name;
	__close int fd = -1;
	size_t i;
	int ret;

	snprintf(path, sizeof(path), "%s/%s", from, dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0
				       : vf_err_errno(err, errno, "%s", path);
	ret = vf_list_dir(fd, &names, err);
	if (ret < 0)
		return vf_err_wrap(err, "%s", path);
	json_array_foreach(names, i, name) {
		ret = plan_hook(plan, fd, dir, json_string_value(name), err);
		if (ret < 0)
			return ret;
	}
	return (int)json_array_size(names);
}

static int plan_hooks(struct plan *plan, const char *from, struct vf_err *err)
{
	int ret = 0, num = 0;

	for (size_t i = 0; ret >= 0 && i < ARRAY_SIZE(hook_dirs); i++) {
		char path[64];

		snprintf(path, sizeof(path), HOOKS_DIR "/%s", hook_dirs[i]);
		ret = plan_dir(plan, path, err);
		if (!ret && from)
			ret = plan_hook_dir(plan, from, hook_dirs[i], err);
		num += ret;
	}
	if (ret >= 0 && from && !num)
		return vf_err_set(err, ENOENT,
				  "--hooks %s: no file in %s or "
				  "%s in there",
				  from, hook_dirs[0], hook_dirs[1]);
	return ret < 0 ? ret : 0;
}

/* A word is a folder of modules/, as a build has them; else it is a path. */
static int modules_path(const char *word, const char *name, char *path)
{
	int len =
		strchr(word, '/')
			? snprintf(path, PATH_MAX, "%s%s/%s",
				   *word == '/' ? "" : "./", word, name)
			: snprintf(path, PATH_MAX, "modules/%s/%s", word, name);

	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int modules_read(const struct source *source, const char *word,
			const char *name, struct source_file *file,
			struct vf_err *err)
{
	char path[PATH_MAX];
	int ret = modules_path(word, name, path);

	if (!ret)
		ret = vf_read_file(
			strchr(word, '/') ? AT_FDCWD : source->dir_fd, path,
			PLAN_FILE_MAX, &file->data, &file->len, err);
	else
		vf_err_errno(err, ret, "%.64s", word);
	if (ret < 0)
		vf_err_wrap(err, "--modules");
	if (ret == -ENOENT)
		vf_err_hint(err, "it is a directory with *.ko and version in "
				 "it, with a '/' in its name: 'make modules' "
				 "makes build/modules/KERNEL");
	return ret;
}

static int modules_release(const struct source *source, const char *word,
			   char *release, struct vf_err *err)
{
	__source_file struct source_file file = { 0 };
	int ret = modules_read(source, word, "version", &file, err);

	if (ret)
		return ret;
	file.data[strcspn(file.data, "\n")] = '\0';
	if (strspn(file.data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
			      "wxyz0123456789.+~_-") != strlen(file.data) ||
	    !*file.data || *file.data == '.' ||
	    strlen(file.data) >= RELEASE_MAX)
		return vf_err_set(err, EINVAL,
				  "--modules %s: its version is "
				  "no kernel's",
				  word);
	strcpy(release, file.data);
	return 0;
}

static int plan_modules(struct plan *plan, const struct source *source,
			const char *word, char *release, struct vf_err *err)
{
	int ret = modules_release(source, word, release, err);

	for (size_t i = 0; !ret && i < ARRAY_SIZE(modules); i++) {
		__source_file struct source_file file = { 0 };
		char to[PATH_MAX];

		ret = modules_read(source, word, modules[i], &file, err);
		if (ret < 0)
			break;
		snprintf(to, sizeof(to), INIT_MODULES "/%s/%s", release,
			 modules[i]);
		ret = plan_file(plan, to, 0644, file.data, file.len, err);
	}
	return ret;
}

static int choose_init(struct view *view, struct init_wish *wish,
		       struct vf_err *err)
{
	if (wish->kind == INIT_AUTO)
		wish->kind = init_detect(view);
	if (wish->kind != INIT_AUTO)
		return 0;
	vf_err_set(err, EINVAL,
		   "no init that is known: neither systemd, nor "
		   "OpenRC, nor busybox with /etc/inittab");
	vf_err_hint(
		err,
		"--init none installs the agent, for you to start '" INIT_AGENT
		" run'");
	return -EINVAL;
}

static int plan_all(struct plan *plan, const struct source *source,
		    const struct bake_request *request, struct vf_err *err)
{
	struct init_wish wish = { .kind = request->init,
				  .signal = request->signal };
	char release[RELEASE_MAX];
	int ret = choose_init(plan->view, &wish, err);

	if (!ret)
		ret = plan_agent(plan, source, err);
	if (!ret)
		ret = plan_hooks(plan, request->hooks, err);
	if (!ret && request->modules) {
		wish.release = release;
		ret = plan_modules(plan, source, request->modules, release,
				   err);
	}
	if (!ret)
		ret = init_plan(plan, source, &wish, err);
	if (ret < 0)
		return ret;
	plan_note(plan, "init", json_string(init_name(wish.kind)));
	plan_note(plan, "signal", json_string(request->signal));
	plan_note(plan, "modules",
		  wish.release ? json_string(wish.release) : json_null());
	return plan_seal(plan, err);
}

int recipe_plan(struct plan *plan, struct view *view,
		const struct bake_request *request, struct vf_err *err)
{
	struct source source;
	int ret = source_open(&source, err);

	*plan = (struct plan){ 0 };
	if (ret < 0)
		return ret;
	ret = plan_init(plan, view, source.mtime, err);
	if (!ret)
		ret = plan_all(plan, &source, request, err);
	source_close(&source);
	return ret;
}
