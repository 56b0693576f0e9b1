/* What the element's tests share: a tiny model, frames of noise, a harness. */
#pragma once

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include "detector.h"
#include "meta.h"

#if defined(__SANITIZE_ADDRESS__)
#define RIG_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RIG_SANITIZED 1
#endif
#endif

/* g_test_init() and gst_init(); for the first line of main(). */
void rig_init (int *argc, char ***argv);
/* The same without loading the plugin. */
void rig_init_bare (int *argc, char ***argv);
/* g_test_run(), and away with the files. */
int rig_run (void);

/* Path of a model of three classes, "person", "car" and "dog", that finds
 * something in noise in a few milliseconds; threshold 0.3, at most 50. */
const char *rig_model (void);
/* The same network on large inputs: takes some tenths of a second. */
const char *rig_slow_model (void);
/* A file of that @content; (transfer full) path. */
char *rig_file (const char *name, const char *content);

/* "defcndetect name=detect model=.. device=.. threads=1 PROPERTIES" in a
 * harness; @caps may be NULL. */
GstHarness *rig_harness (const char *properties, const char *caps);
/* The same with another model. */
GstHarness *rig_harness_model (const char *model, const char *properties,
    const char *caps);
/* (transfer full) */
GstElement *rig_element (GstHarness *h);

/* Blocky noise of the harness's caps; frame @n of 25 a second. */
GstBuffer *rig_frame (GstHarness *h, guint n);
GstBuffer *rig_frame_of (const GstVideoInfo *info, guint n);

/* A segment of time from 0 on; after a flush, as of a seek. */
void rig_push_segment (GstHarness *h);
void rig_flush (GstHarness *h);

/* @buffer of @from as one of @to, by GstVideoConverter; (transfer full). */
GstBuffer *rig_convert (GstBuffer *buffer, const GstVideoInfo *from,
    const GstVideoInfo *to);

/* What the core alone finds in @buffer, or in @region of it. */
GArray *rig_boxes (GstBuffer *buffer, const GstVideoInfo *info,
    const DefcnRegion *region);
/* The objects on @buffer are @boxes to the last bit. */
void rig_assert_boxes (GstBuffer *buffer, const GArray *boxes,
    const GstVideoInfo *info);
/* The mark on @buffer; it must have one. */
GstDefcnMark rig_mark (GstBuffer *buffer);
guint rig_count_objects (GstBuffer *buffer);

/* The value of a uint64 field of the property stats. */
guint64 rig_stat (GstHarness *h, const char *field);

/* Gives @h's element a bus; (transfer full). */
GstBus *rig_bus (GstHarness *h);
/* Takes the first message of @type from @bus; it must come within 30 s. */
GstMessage *rig_message (GstBus *bus, GstMessageType type);

/* @cycle, a start and a stop of something, leaves no memory behind. */
void rig_assert_steady (void (*cycle) (void));

/* The same GstDefcnObjects, field by field: the bytes between them are
 * anything. */
void rig_assert_same (const GArray *found, const GArray *wanted);
