// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "bake/lib.h"
#include "base/cleanup.h"

#define LIB_FILE "libarchive.so.13"

#define LIB_NAME(name) { "archive_" #name, offsetof(struct lib, name) },

int lib_load(struct lib *lib, struct vf_err *err)
{
	static const struct {
		const char *name;
		size_t offset;
	} symbols[] = { LIB_SYMBOLS(LIB_NAME) };
	void *handle = dlopen(LIB_FILE, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; handle && i < ARRAY_SIZE(symbols); i++) {
		void *symbol = dlsym(handle, symbols[i].name);

		if (!symbol)
			return vf_err_set(err, ENOENT, LIB_FILE ": has no %s",
					  symbols[i].name);
		/* POSIX has it that they are of one size */
		memcpy((char *)lib + symbols[i].offset, &symbol,
		       sizeof(symbol));
	}
	if (handle)
		return 0;
	vf_err_set(err, ENOENT, "archives: " LIB_FILE " is not there");
	vf_err_hint(err, "install libarchive13 (Debian 13: libarchive13t64)");
	return -ENOENT;
}
