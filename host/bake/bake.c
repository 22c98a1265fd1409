// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "bake/bake.h"
#include "bake/baked.h"
#include "bake/image.h"
#include "bake/pack.h"
#include "bake/recipe.h"
#include "bake/target.h"
#include "base/cleanup.h"

/* A bake on its way. */
struct bake {
	const struct bake_request *request;
	struct target *target;
	json_t *manifest; /* of what is in there */
	json_t *faults;
	const char *state;
};

static int target_open(struct target **target,
		       const struct bake_request *request, struct vf_err *err)
{
	const char *path = request->target;
	bool write = request->action != BAKE_CHECK;
	struct stat st;

	if (stat(path, &st) < 0)
		return vf_err_set(err, errno, "%s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return dir_open(target, path, write, err);
	if (image_is_there(path))
		return image_open(target, path, write, request->cancel_fd, err);
	return pack_open(target, path, write, request->cancel_fd, err);
}

/* All that is not as it was baked. */
static int find_faults(struct bake *bake, struct vf_err *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach(baked_items(bake->manifest), i, item) {
		int ret = baked_item_check(item, &bake->target->view, err);

		if (ret < 0 && ret != -ENOENT && ret != -ESTALE)
			return ret;
		if (ret < 0)
			json_array_append_new(bake->faults,
					      json_string(err->msg));
	}
	return 0;
}

static bool is_same(const json_t *a, const json_t *b)
{
	static const char *const keys[] = { "items", "init", "signal",
					    "modules" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!json_equal(json_object_get(a, keys[i]),
				json_object_get(b, keys[i])))
			return false;
	return true;
}

static int undo(struct bake *bake, struct vf_err *err)
{
	int ret = bake->target->ops->undo(bake->target, bake->manifest,
					  bake->faults, err);

	if (ret < 0)
		return ret;
	json_decref(bake->manifest);
	bake->manifest = NULL;
	return 0;
}

static int commit(struct bake *bake, struct vf_err *err)
{
	const struct target_ops *ops = bake->target->ops;

	return ops->commit ? ops->commit(bake->target, err) : 0;
}

static int apply(struct bake *bake, struct vf_err *err)
{
	struct plan plan;
	int ret = recipe_plan(&plan, &bake->target->view, bake->request, err);

	if (!ret)
		ret = bake->target->ops->apply(bake->target, &plan, err);
	if (!ret)
		ret = commit(bake, err);
	if (!ret)
		bake->manifest = json_incref(plan.manifest);
	plan_exit(&plan);
	return ret;
}

/* Made without what is there; also finds out that it can be done at all. */
static int plan_anew(struct bake *bake, struct plan *plan, struct vf_err *err)
{
	int ret;

	bake->target->view.hidden = bake->manifest;
	ret = recipe_plan(plan, &bake->target->view, bake->request, err);
	bake->target->view.hidden = NULL;
	return ret;
}

/* Return: 1 if it would be the same once more, 0 if not, -errno */
static int is_unchanged(struct bake *bake, const struct plan *plan,
			struct vf_err *err)
{
	int ret;

	if (!is_same(plan->manifest, bake->manifest))
		return 0;
	ret = find_faults(bake, err);
	if (!ret)
		ret = !json_array_size(bake->faults);
	json_array_clear(bake->faults);
	return ret;
}

/* Where it is seen at once, the new takes the place of the old. */
static int replace(struct bake *bake, struct plan *plan, struct vf_err *err)
{
	const struct target_ops *ops = bake->target->ops;
	int ret;

	if (ops->replace) {
		ret = ops->replace(bake->target, bake->manifest, plan, err);
		if (ret < 0)
			return ret;
		json_decref(bake->manifest);
		bake->manifest = json_incref(plan->manifest);
		return 0;
	}
	ret = undo(bake, err);
	/* what others have in directories of ours is theirs to keep */
	json_array_clear(bake->faults);
	return ret ? ret : apply(bake, err);
}

static int install(struct bake *bake, struct vf_err *err)
{
	struct plan plan;
	int ret;

	bake->state = "baked";
	if (!bake->manifest)
		return apply(bake, err);
	ret = plan_anew(bake, &plan, err);
	if (!ret)
		ret = is_unchanged(bake, &plan, err);
	if (ret > 0)
		bake->state = "unchanged";
	else if (!ret)
		ret = replace(bake, &plan, err);
	plan_exit(&plan);
	return ret < 0 ? ret : 0;
}

static int remove_(struct bake *bake, struct vf_err *err)
{
	int ret;

	bake->state = "none";
	if (!bake->manifest)
		return 0;
	bake->state = "removed";
	ret = undo(bake, err);
	return ret ? ret : commit(bake, err);
}

static int check(struct bake *bake, struct vf_err *err)
{
	int ret = find_faults(bake, err);

	if (bake->target->unfinished)
		json_array_append_new(bake->faults,
				      json_string(bake->target->unfinished));
	bake->state = json_array_size(bake->faults) ? "damaged"
		      : bake->manifest		    ? "baked"
						    : "none";
	return ret;
}

static json_t *describe(const struct bake *bake)
{
	static const char *const keys[] = { "init", "signal", "modules" };
	json_t *report = json_pack("{s:s,s:s,s:s}", "target",
				   bake->request->target, "kind",
				   bake->target->kind, "state", bake->state);
	json_t *paths = json_array();
	const json_t *item;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		json_t *value = json_object_get(bake->manifest, keys[i]);

		json_object_set(report, keys[i], value ? value : json_null());
	}
	json_array_foreach(baked_items(bake->manifest), i, item)
		json_array_append_new(
			paths, json_sprintf("/%s", baked_item_path(item)));
	json_object_set_new(report, "paths", paths);
	json_object_set(report, "faults", bake->faults);
	return report;
}

static int act(struct bake *bake, struct vf_err *err)
{
	switch (bake->request->action) {
	case BAKE_INSTALL:
		return install(bake, err);
	case BAKE_REMOVE:
		return remove_(bake, err);
	case BAKE_CHECK:
		break;
	}
	return check(bake, err);
}

int bake_run(const struct bake_request *request, json_t **report,
	     struct vf_err *err)
{
	struct bake bake = { .request = request };
	int ret = target_open(&bake.target, request, err);

	if (!ret) {
		bake.faults = json_array();
		ret = baked_load(&bake.target->view, &bake.manifest, err);
		if (!ret)
			ret = act(&bake, err);
		if (!ret)
			*report = describe(&bake);
		bake.target->ops->close(bake.target);
	}
	json_decref(bake.manifest);
	json_decref(bake.faults);
	return ret < 0 ? vf_err_wrap(err, "%.128s", request->target) : 0;
}
