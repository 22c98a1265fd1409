/* SPDX-License-Identifier: MIT */
/* What a variable owns goes with it: attributes for memory and descriptors. */
#ifndef VF_CLEANUP_H
#define VF_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void vf_free_ptr(void *p)
{
	free(*(void **)p);
}

static inline void vf_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void vf_close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

static inline void vf_close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define __cleanup(fn) __attribute__((cleanup(fn)))
#define __free	      __cleanup(vf_free_ptr)
#define __close	      __cleanup(vf_close_fd)
#define __fclose      __cleanup(vf_close_file)
#define __closedir    __cleanup(vf_close_dir)

/* Hand over what @p owns: the variable is left without it. */
#define vf_steal(p)                          \
	({                                   \
		typeof(*(p)) stolen_ = *(p); \
		*(p) = NULL;                 \
		stolen_;                     \
	})
#define vf_steal_fd(p)              \
	({                          \
		int stolen_ = *(p); \
		*(p) = -1;          \
		stolen_;            \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
