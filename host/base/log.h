/* SPDX-License-Identifier: MIT */
#ifndef VF_LOG_H
#define VF_LOG_H

enum vf_log_level {
	VF_LOG_ERROR,
	VF_LOG_WARN,
	VF_LOG_INFO, /* progress; the default */
	VF_LOG_DEBUG,
	VF_LOG_NUM
};

/**
 * vf_log_init() - Choose how much is said; called once, by main()
 * @level:	the least important level that is still printed
 */
void vf_log_init(enum vf_log_level level);

/**
 * vf_log() - Print one line on standard error
 * @level:	how important it is
 * @fmt:	the line, without its newline
 *
 * The one way to a user's eyes besides a command's own output. Lines of several
 * threads do not mix.
 */
void vf_log(enum vf_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
