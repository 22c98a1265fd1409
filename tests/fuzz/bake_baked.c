// SPDX-License-Identifier: MIT
// time: 600
/*
 * The manifest of a stranger's root file system, as any text and as one that is
 * nearly right: what is accepted has all that is asked of it without a look.
 */
#include <stdlib.h>

#include "bake/view.h"
#include "fuzz/bake_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t no_crc(const char *path)
{
	return (uint32_t)strlen(path);
}

/* What is added to a file is cut out of it again, to the byte. */
static void cut(const json_t *item)
{
	/* no text has these: they are not UTF-8 */
	static const char before[] = "\xff\xff\xff", after[] = "\xfe\xfe";
	const char *text = baked_item_text(item);
	size_t text_len = strlen(text), want = strlen(before) + strlen(after);
	size_t len = want + text_len;
	char *buf = malloc(len + 1), rest[16];

	if (!buf)
		abort();
	snprintf(rest, sizeof(rest), "%s%s", before, after);
	snprintf(buf, len + 1, "%s%s%s", before, text, after);
	if (baked_item_cut(item, buf, &len) != (text_len > 0) || len != want ||
	    strcmp(buf, rest) != 0)
		abort();
	free(buf);
}

static void item_check(const json_t *manifest, const json_t *item)
{
	const char *path = baked_item_path(item);
	const char *kept = baked_item_kept(item);

	if (!path || !path_is_plain(path) || !baked_item_type(item) ||
	    !baked_item(manifest, path) ||
	    !baked_hides(manifest, kept ? kept : path))
		abort();
	if (!baked_item_text(item))
		return;
	if (!kept || !path_is_plain(kept))
		abort();
	cut(item);
}

/* A copy of just its size: it does not end with a NUL. */
static void parse(const void *data, size_t size)
{
	__json json_t *manifest = NULL;
	char *text = malloc(size ? size : 1);
	const json_t *item;
	struct vf_err err;
	size_t i;

	if (!text)
		abort();
	memcpy(text, data, size);
	if (baked_parse(text, size, &manifest, &err) == 0)
		json_array_foreach(baked_items(manifest), i, item)
			item_check(manifest, item);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	__json json_t *manifest = manifest_make(&in, no_crc);
	__free char *text = json_dumps(manifest, 0);

	parse(data, size);
	parse(text, strlen(text));
	return 0;
}
