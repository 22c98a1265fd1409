/* SPDX-License-Identifier: MIT */
/*
 * Input as what is baked into is made of: names, texts and manifests. Syntax that
 * a mutation would hardly ever hit is written here, what it says is the input's.
 */
#ifndef FUZZ_BAKE_INPUT_H
#define FUZZ_BAKE_INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bake/baked.h"
#include "bake/plan.h"
#include "base/cleanup.h"

#define TEXT_SIZE 300

struct input {
	const uint8_t *data;
	size_t size;
};

static inline uint8_t take(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

static inline uint64_t take_number(struct input *in)
{
	uint64_t number = 0;
	int len = take(in) % 9;

	while (len--)
		number = number << 8 | take(in);
	return number;
}

/* What is the input's own, as much as it says. */
static inline size_t take_bytes(struct input *in, char *out, size_t max)
{
	size_t len = (size_t)take(in) << 1;

	if (len > max)
		len = max;
	if (len > in->size)
		len = in->size;
	memcpy(out, in->data, len);
	in->data += len;
	in->size -= len;
	return len;
}

/* A path that means something here, or any text. */
static inline const char *take_text(struct input *in, char *buf)
{
	static const char *const words[] = {
		"etc",
		"etc/inittab",
		"bin/busybox",
		BAKED_DIR,
		BAKED_PATH,
		BAKED_DIR "/kept-inittab",
		"usr/lib",
		"usr",
		"config",
		"out/secret",
		"../outside/secret",
		"/etc/inittab",
		"etc/../x",
		"etc/new",
		"lib/systemd/systemd",
		"TRAILER!!!",
		".vmfork-bake",
		"::wait:x\n",
		"::respawn:x\n",
		"",
	};
	uint8_t which = take(in);

	if (which < ARRAY_SIZE(words))
		return words[which];
	buf[take_bytes(in, buf, TEXT_SIZE - 1)] = '\0';
	return buf;
}

static inline void put_text(json_t *json, const char *key, struct input *in)
{
	char buf[TEXT_SIZE];

	/* none if it is not UTF-8 */
	json_object_set_new(json, key, json_string(take_text(in, buf)));
}

/* The CRC that a file has is told by @crc_of, so that it can be the right one. */
static inline json_t *item_make(struct input *in,
				uint32_t (*crc_of)(const char *path))
{
	static const char *const types[] = { "dir", "file", "link", "x" };
	json_t *item = json_object();
	const char *path;
	uint8_t bits;

	put_text(item, "path", in);
	bits = take(in);
	json_object_set_new(item, "type", json_string(types[bits & 3]));
	if (bits & 4) {
		put_text(item, "text", in);
		put_text(item, "kept", in);
	}
	path = baked_item_path(item);
	if (bits & 8)
		put_text(item, "target", in);
	if (bits & 16)
		json_object_set_new(
			item, "crc",
			json_integer(bits & 32 && path
					     ? crc_of(path)
					     : (json_int_t)take_number(in)));
	if (bits & 64)
		json_object_set_new(item, "mode",
				    json_integer((json_int_t)take_number(in)));
	return item;
}

static inline json_t *manifest_make(struct input *in,
				    uint32_t (*crc_of)(const char *path))
{
	json_t *json = json_pack("{s:s,s:i,s:s,s:s,s:s}", "vmfork", "bake",
				 "version", PLAN_VERSION, "manifest",
				 BAKED_PATH, "init", "busybox", "signal",
				 "auto");
	json_t *items =
		json_pack("[{s:s,s:s}]", "path", BAKED_PATH, "type", "file");
	uint8_t num = take(in) % 8;

	while (num--)
		json_array_append_new(items, item_make(in, crc_of));
	json_object_set_new(json, "items", items);
	json_object_set_new(json, "archive",
			    json_pack("{s:I,s:I,s:I}", "cut",
				      (json_int_t)take_number(in), "size",
				      (json_int_t)take_number(in), "mtime_ns",
				      (json_int_t)take_number(in)));
	return json;
}

#endif
