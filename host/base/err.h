/* SPDX-License-Identifier: MIT */
/*
 * Errors. A function that can fail returns 0 or a value, or -errno, and takes
 * a struct vf_err last. The innermost place that knows what went wrong sets it,
 * once; callers put their context in front with vf_err_wrap(); main() prints it,
 * once. An error is never NULL.
 */
#ifndef VF_ERR_H
#define VF_ERR_H

#define VF_ERR_MSG_SIZE	 512
#define VF_ERR_HINT_SIZE 256

struct vf_err {
	int num;		     /* errno, positive; 0 if none */
	char msg[VF_ERR_MSG_SIZE];   /* WHAT: WHY */
	char hint[VF_ERR_HINT_SIZE]; /* what to do, or empty */
};

/**
 * vf_err_set() - Say what went wrong
 * @err:	error
 * @num:	errno, positive or negative
 * @fmt:	WHAT and WHY
 *
 * Return: -@num (negative), to be returned at once
 */
int vf_err_set(struct vf_err *err, int num, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * vf_err_errno() - Say what went wrong, with errno's text as the WHY
 * @err:	error
 * @num:	errno, positive or negative
 * @fmt:	WHAT
 *
 * Return: -@num (negative), to be returned at once
 */
int vf_err_errno(struct vf_err *err, int num, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * vf_err_wrap() - Put context in front of an error that is already set
 * @err:	error
 * @fmt:	context; ": " follows it
 *
 * Return: -errno of @err, to be returned at once
 */
int vf_err_wrap(struct vf_err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * vf_err_first() - Of several failures, keep the first
 * @first:	error
 * @ret:	in: 0, or that of @first; out: that of @first
 * @why:	one more failure
 */
void vf_err_first(struct vf_err *first, int *ret, const struct vf_err *why);

/**
 * vf_err_hint() - Say what the user can do about it
 * @err:	error; a hint that is already there stays
 * @fmt:	one sentence
 */
void vf_err_hint(struct vf_err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
