/* What defcnsnapshot is made of: names, the folder and its limits, JPEG, parts
 * of frames, and when a picture is due. */
#include "decode_jpeg.h"
#include "overlay_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "snapshot/folder.h"
#include "snapshot/jpeg.h"
#include "snapshot/keeper.h"
#include "snapshot/picture.h"
#include "snapshot/template.h"

static char *
expand (const char *location, const char *label, const char *source)
{
  g_autoptr (GError) error = NULL;
  const char *values[GST_DEFCN_N_FIELDS] = { source, label, "7",
    "20261130T125801.123Z", "1500", "line-crossed", "door", "3" };
  GstDefcnTemplate *template = gst_defcn_template_new (location, &error);
  char *name;

  g_assert_no_error (error);
  name = gst_defcn_template_expand (template, values);
  gst_defcn_template_free (template);
  return name;
}

/* Whatever a label or a source holds, it stays a part of a name: no folder, no
 * way up, nothing hidden, no character that a file system or a terminal takes
 * for another thing. */
static void
test_names (void)
{
  static const struct
  {
    const char *location, *label, *source, *wanted;
  } cases[] = {
    { "d/{label}-{id}-{time}.jpg", "person", NULL,
        "person-7-20261130T125801.123Z.jpg" },
    { "d/{source}/{label}-{pts}.jpg", "car", "cam 1", "cam 1/car-1500.jpg" },
    { "{event}.{place}.{n}.jpg", "car", NULL, "line-crossed.door.3.jpg" },
    { "d/x{{{label}}.jpg", "car", NULL, "x{car}.jpg" },
    { "d/{label}.jpg", "../../etc/passwd", NULL, "_._.._etc_passwd.jpg" },
    { "d/{source}/{label}.jpg", "..", "..", "_./_..jpg" },
    { "d/{source}/{label}.jpg", ".", ".", "_/_.jpg" },
    { "d/{source}/a.jpg", "", "/", "_/a.jpg" },
    { "d/{label}", ".hidden", NULL, "_hidden" },
    { "d/{label}.jpg", "a\nb\tc\x7f\xc2\x85", NULL, "a_b_c__.jpg" },
    { "d/{label}.jpg", "a\\b:c*d?e\"f<g>h|i", NULL, "a_b_c_d_e_f_g_h_i.jpg" },
    { "d/{label}.jpg", "\xe4\xba\xba", NULL, "\xe4\xba\xba.jpg" },
    { "d/{label}.jpg", "gpj\xe2\x80\xae.exe", NULL, "gpj_.exe.jpg" },
    { "d/{label}.jpg", "bad \xff", NULL, "bad \xef\xbf\xbd.jpg" },
    { "d/{label}.jpg", NULL, NULL, "_.jpg" },
    { "d/{label}.jpg", "", NULL, "_.jpg" },
    { "d/{label}.jpg", "{source}", "secret", "{source}.jpg" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *name =
        expand (cases[i].location, cases[i].label, cases[i].source);

    g_test_message ("case %u", i);
    g_assert_cmpstr (name, ==, cases[i].wanted);
  }
}

/* A name that is too long is cut between two characters, and keeps its ending.
 */
static void
test_long_names (void)
{
  g_autofree char *many = g_strnfill (500, 'a'), *name = NULL;
  g_autofree char *wide = NULL, *whole = NULL;
  GString *text = g_string_new (NULL);

  name = expand ("d/{label}.jpg", many, NULL);
  g_assert_cmpuint (strlen (name), ==, 84);
  g_assert_true (g_str_has_suffix (name, "a.jpg"));

  for (int i = 0; i < 50; i++)
    g_string_append (text, "\xe4\xba\xba");
  wide = expand ("d/x{label}.jpg", text->str, NULL);
  g_assert_true (g_utf8_validate (wide, -1, NULL));
  g_assert_cmpuint (strlen (wide), ==, 1 + 26 * 3 + 4);
  whole = expand ("d/{label}{source}{label}.jpg", text->str, text->str);
  g_assert_true (g_utf8_validate (whole, -1, NULL));
  g_assert_cmpuint (strlen (whole), ==, 65 * 3 + 4);
  g_free (whole);
  g_string_free (text, TRUE);

  whole = expand ("d/{label}{label}{source}{source}{label}/x.jpeg", many, many);
  g_assert_cmpuint (strlen (whole), ==, 200 + strlen ("/x.jpeg"));
  g_free (whole);
  whole = expand ("d/{label}{label}{source}{source}{label}.jpeg", many, many);
  g_assert_cmpuint (strlen (whole), ==, 200);
  g_assert_true (g_str_has_suffix (whole, "a.jpeg"));
}

/* The folder is what stands before the first field; what cannot be a name is
 * refused with words. */
static void
test_locations (void)
{
  static const struct
  {
    const char *location, *folder;
    guint depth;
    gboolean unique;
  } good[] = {
    { "a/b/{label}-{id}.jpg", "a/b", 0, TRUE },
    { "/a/{source}/{label}.jpg", "/a", 1, FALSE },
    { "/a/b{source}c/d/{n}.jpg", "/a", 2, TRUE },
    { "{time}.jpg", ".", 0, TRUE },
    { "latest.jpg", ".", 0, FALSE },
    { "/latest.jpg", "/", 0, FALSE },
    { "../up/{pts}", "../up", 0, TRUE },
    { "a{{b/{label}", ".", 1, FALSE },
  };
  static const struct
  {
    const char *location, *why;
  } bad[] = {
    { "", "names no file" },
    { "a/b/", "names no file" },
    { "a/{label}/", "names no file" },
    { "a/{labels}.jpg", "has a field that is not known" },
    { "a/{label.jpg", "has a field that is not known" },
    { "a/{}.jpg", "has a field that is not known" },
    { "{label}/../x.jpg", "goes through" },
    { "{label}/./x.jpg", "goes through" },
    { "{label}//x.jpg", "has an empty folder name" },
    { "a/..", "goes through" },
    { "\xff{", "has a field that is not known" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    GstDefcnTemplate *t = gst_defcn_template_new (good[i].location, NULL);

    g_assert_nonnull (t);
    g_assert_cmpstr (gst_defcn_template_folder (t), ==, good[i].folder);
    g_assert_cmpuint (gst_defcn_template_depth (t), ==, good[i].depth);
    g_assert_cmpint (gst_defcn_template_is_unique (t), ==, good[i].unique);
    gst_defcn_template_free (t);
  }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (gst_defcn_template_new (bad[i].location, &error));
    g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, bad[i].why));
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
  }
}

/* A JPEG of @size bytes at least. */
static GBytes *
jpeg_new (int side)
{
  g_autofree guint8 *rgb = g_malloc0 ((gsize) 3 * side * side);
  guint seed = 1;
  GBytes *bytes;

  for (int i = 0; i < 3 * side * side; i++) {
    seed = seed * 1664525 + 1013904223;
    rgb[i] = seed >> 24;
  }
  bytes = gst_defcn_jpeg_encode (rgb, side, side, 3 * side, 90, NULL);
  g_assert_nonnull (bytes);
  return bytes;
}

/* What is encoded comes back, of any size, rows padded or not, and the file
 * says whose it is; what is no picture is refused. */
static void
test_jpeg (void)
{
  static const int sizes[][2] = { { 1, 1 }, { 7, 5 }, { 64, 33 } };
  static const guint8 colors[][3] = { { 250, 10, 20 }, { 20, 220, 30 },
    { 30, 40, 200 } };
  guint8 head[GST_DEFCN_JPEG_HEAD] = { 0 };

  for (guint i = 0; i < 3; i++) {
    const int w = sizes[i][0], h = sizes[i][1], stride = 3 * w + 11;
    g_autofree guint8 *rgb = g_malloc0 ((gsize) stride * h);
    g_autofree guint8 *back = NULL;
    g_autoptr (GBytes) bytes = NULL;
    int width, height;

    for (int k = 0; k < w * h; k++)
      memcpy (rgb + k / w * stride + k % w * 3, colors[i], 3);
    bytes = gst_defcn_jpeg_encode (rgb, w, h, stride, 90, NULL);
    g_assert_nonnull (bytes);
    back = decode_jpeg (bytes, &width, &height);
    g_assert_cmpint (width, ==, w);
    g_assert_cmpint (height, ==, h);
    for (int k = 0; k < 3 * w * h; k++)
      g_assert_cmpint (ABS (back[k] - colors[i][k % 3]), <=, 4);
    memcpy (head, g_bytes_get_data (bytes, NULL),
        MIN (g_bytes_get_size (bytes), sizeof head));
    g_assert_true (gst_defcn_jpeg_is_ours (head, sizeof head));
    g_assert_false (gst_defcn_jpeg_is_ours (head, 30));
    head[2]++;
    g_assert_false (gst_defcn_jpeg_is_ours (head, sizeof head));
    head[2]--;
    head[26]++;
    g_assert_false (gst_defcn_jpeg_is_ours (head, sizeof head));
  }

  g_autoptr (GError) error = NULL;
  g_autofree guint8 *row = g_malloc0 (3 * 70000);
  g_assert_null (gst_defcn_jpeg_encode (row, 70000, 1, 3 * 70000, 90, &error));
  g_assert_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_ENCODE);
}

/* Colours that differ from one pixel to the next, and not by so much that it
 * matters how chroma is interpolated. */
static GstBuffer *
slope_new (const GstVideoInfo *rgb)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, rgb->size, NULL);
  GstVideoFrame frame;

  g_assert_true (gst_video_frame_map (&frame, rgb, buffer, GST_MAP_WRITE));
  for (int y = 0; y < rgb->height; y++)
    for (int x = 0; x < rgb->width; x++) {
      guint8 *p = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&frame, 0)
          + y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0) + 3 * x;

      p[0] = (guint8) (15 * x / 4);
      p[1] = (guint8) (5 * y);
      p[2] = 128;
    }
  gst_video_frame_unmap (&frame);
  return buffer;
}

/* A part of a frame of any format is the same part of the whole, converted;
 * also in a frame of long lines, and behind a crop. */
static void
test_parts (void)
{
  const int w = 66, h = 46;
  const GstDefcnPixels part = { 13, 9, 31, 22 };
  guint n, tried = 0;
  const GstVideoFormat *formats = gst_video_formats_raw (&n);

  for (guint i = 0; i < 2 * n; i++) {
    const gboolean cropped = i % 2;
    g_autoptr (GstBuffer) noise = NULL, buffer = NULL, all = NULL;
    g_autoptr (GError) error = NULL;
    GstVideoInfo info, rgb;
    GstDefcnPicture picture;
    GstDefcnView view;
    GstVideoFrame a, b;
    int left, top, far = 0;

    if (!gst_video_info_set_format (&info, formats[i / 2], w, h)
        || !info.finfo->unpack_func)
      continue;
    g_test_message ("%s %d", info.finfo->name, cropped);
    gst_video_info_set_format (&rgb, GST_VIDEO_FORMAT_RGB, w, h);
    noise = slope_new (&rgb);
    buffer = rig_convert (noise, &rgb, &info);
    all = rig_convert (buffer, &info, &rgb);
    if (cropped) {
      GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (buffer);

      crop->x = 5;
      crop->y = 3;
      crop->width = 50;
      crop->height = 40;
    }
    g_assert_true (
        gst_defcn_view_map (&view, buffer, &info, GST_MAP_READ, &error));
    g_assert_true (gst_defcn_picture_cut (&picture, &view, &part, &error));
    gst_defcn_view_unmap (&view);
    g_assert_no_error (error);
    /* The picture reaches to the part's right and lower edge. */
    left = part.x + 5 * cropped + part.w - picture.info.width;
    top = part.y + 3 * cropped + part.h - picture.info.height;
    g_assert_cmpint (part.x + 5 * cropped - left, <=, 3);
    g_assert_cmpint (part.y + 3 * cropped - top, <=, 3);
    g_assert_cmpint (picture.whole.x, ==, 5 * cropped - left);
    g_assert_cmpint (picture.whole.y, ==, 3 * cropped - top);
    g_assert_cmpint (picture.whole.w, ==, cropped ? 50 : w);
    g_assert_true (gst_video_frame_map (&a, &rgb, all, GST_MAP_READ));
    g_assert_true (
        gst_video_frame_map (&b, &picture.info, picture.pixels, GST_MAP_READ));
    for (int y = 0; y < picture.info.height; y++)
      for (int x = 0; x < 3 * picture.info.width; x++) {
        const guint8 *p = GST_VIDEO_FRAME_PLANE_DATA (&a, 0);
        const guint8 *q = GST_VIDEO_FRAME_PLANE_DATA (&b, 0);

        /* At its border chroma is interpolated otherwise. */
        if (x >= 3 * 4 && x < 3 * (picture.info.width - 4) && y >= 4
            && y < picture.info.height - 4)
          far += ABS (p[(y + top) * GST_VIDEO_FRAME_PLANE_STRIDE (&a, 0)
                          + 3 * left + x]
                     - q[y * GST_VIDEO_FRAME_PLANE_STRIDE (&b, 0) + x])
              > 6;
      }
    gst_video_frame_unmap (&a);
    gst_video_frame_unmap (&b);
    gst_defcn_picture_clear (&picture);
    g_assert_cmpint (far, ==, 0);
    tried++;
  }
  g_assert_cmpuint (tried, >, 160);
}

/* A margin is a share of the box, and ends with the picture. */
static void
test_margins (void)
{
  const GstDefcnObject o = overlay_rig_object (20, 10, 60, 90, 100, 100, "x");
  const GstDefcnPixels none = gst_defcn_picture_around (&o, 0, 100, 100);
  const GstDefcnPixels some = gst_defcn_picture_around (&o, 0.1, 100, 100);
  const GstDefcnPixels much = gst_defcn_picture_around (&o, 3, 100, 100);

  g_assert_true (none.x == 20 && none.y == 10 && none.w == 40 && none.h == 80);
  g_assert_true (some.x == 16 && some.y == 2 && some.w == 48 && some.h == 96);
  g_assert_true (much.x == 0 && much.y == 0 && much.w == 100 && much.h == 100);
}

static void
write_as (GstDefcnFolder *folder, GstDefcnFile *file, const char *name,
    GstDefcnFolderHow how, int side, gboolean wanted)
{
  g_autoptr (GBytes) bytes = jpeg_new (side);
  g_autoptr (GError) error = NULL;
  gboolean replaced;

  g_assert_true (gst_defcn_folder_write (folder, file, name, how, bytes,
      &replaced, &error));
  g_assert_no_error (error);
  g_assert_cmpint (replaced, ==, wanted);
}

/* A picture of its own; its time, s after 1970. */
static void
write_aged (GstDefcnFolder *folder, const char *path, const char *name,
    int time)
{
  GstDefcnFile file = { 0 };
  g_autofree char *whole = g_build_filename (path, name, NULL);
  const struct timespec times[2] = { { time, 0 }, { time, 0 } };

  write_as (folder, &file, name, GST_DEFCN_FOLDER_NEW, 8, FALSE);
  g_assert_cmpstr (file.name, ==, name);
  g_assert_cmpint (utimensat (AT_FDCWD, whole, times, 0), ==, 0);
  gst_defcn_file_clear (&file);
}

static gboolean
is_there (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  struct stat info;

  return lstat (path, &info) == 0;
}

/* A name that is taken, by whatever, gets a number and what was there stays;
 * what was written here itself is replaced, in one step. */
static void
test_taken (void)
{
  char *path = folder_new ();
  g_autofree char *fifo = folder_file (path, "a-2.jpg");
  g_autofree char *link = folder_file (path, "a-3.jpg");
  g_autofree char *other = folder_write (path, "a.jpg", "mine", 4);
  g_autofree char *target = folder_write (path, "target", "kept", 4);
  g_autofree char *mine = folder_file (path, "a-4.jpg"), *text = NULL;
  GstDefcnFolder *folder = gst_defcn_folder_open (path, 0);
  GstDefcnFile file = { 0 }, again = { 0 };
  FILE *open_before;
  struct stat before, after, held;

  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  g_assert_cmpint (symlink (target, link), ==, 0);
  write_as (folder, &file, "a.jpg", GST_DEFCN_FOLDER_NEW, 8, FALSE);
  g_assert_cmpstr (file.name, ==, "a-4.jpg");
  g_assert_true (g_file_get_contents (other, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "mine");
  g_clear_pointer (&text, g_free);
  g_assert_true (g_file_get_contents (target, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "kept");

  /* Who has the old one open sees it to its end. */
  open_before = fopen (mine, "rb");
  g_assert_nonnull (open_before);
  g_assert_cmpint (stat (mine, &before), ==, 0);
  write_as (folder, &file, "a.jpg", GST_DEFCN_FOLDER_NEW, 40, TRUE);
  g_assert_cmpstr (file.name, ==, "a-4.jpg");
  g_assert_cmpint (stat (mine, &after), ==, 0);
  g_assert_cmpint (fstat (fileno (open_before), &held), ==, 0);
  g_assert_true (held.st_ino == before.st_ino && held.st_ino != after.st_ino);
  g_assert_cmpint (held.st_size, ==, before.st_size);
  fclose (open_before);

  /* Somebody has put another in its place: that one stays. */
  g_assert_cmpint (unlink (mine), ==, 0);
  g_free (folder_write (path, "a-4.jpg", "theirs", 6));
  write_as (folder, &file, "a.jpg", GST_DEFCN_FOLDER_NEW, 8, FALSE);
  g_assert_cmpstr (file.name, ==, "a-4-2.jpg");

  /* Meant to be overwritten: ours alone. */
  write_as (folder, &again, "a-4-2.jpg", GST_DEFCN_FOLDER_OVERWRITE, 8, TRUE);
  g_assert_cmpstr (again.name, ==, "a-4-2.jpg");
  gst_defcn_file_clear (&again);
  again.name = NULL;
  write_as (folder, &again, "a.jpg", GST_DEFCN_FOLDER_OVERWRITE, 8, FALSE);
  g_assert_cmpstr (again.name, ==, "a-5.jpg");

  g_assert_cmpuint (folder_count (path), ==, 7);
  gst_defcn_file_clear (&file);
  gst_defcn_file_clear (&again);
  gst_defcn_folder_close (folder);
  folder_remove (path);
}

/* Folders of a name are made, and no link among them is followed; without the
 * folder itself nothing is written, and nothing made. */
static void
test_below (void)
{
  char *path = folder_new (), *away = folder_new ();
  g_autofree char *link = folder_file (path, "link");
  g_autofree char *file_name = folder_write (path, "file", "x", 1);
  GstDefcnFolder *folder = gst_defcn_folder_open (path, 1);
  GstDefcnFile file = { 0 };
  g_autoptr (GBytes) bytes = jpeg_new (8);
  static const char *const refused[] = { "link/a.jpg", "file/a.jpg" };

  g_assert_cmpint (symlink (away, link), ==, 0);
  write_as (folder, &file, "cam/a.jpg", GST_DEFCN_FOLDER_NEW, 8, FALSE);
  g_assert_true (is_there (path, "cam/a.jpg"));
  gst_defcn_file_clear (&file);
  for (guint i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;

    g_assert_false (gst_defcn_folder_write (folder, &file, refused[i],
        GST_DEFCN_FOLDER_NEW, bytes, NULL, &error));
    g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE);
    g_assert_nonnull (strstr (error->message, refused[i]));
    g_assert_null (file.name);
  }
  g_assert_cmpuint (folder_count (away), ==, 0);

  folder_remove_all (path);
  g_autoptr (GError) error = NULL;
  g_assert_false (gst_defcn_folder_write (folder, &file, "cam/a.jpg",
      GST_DEFCN_FOLDER_NEW, bytes, NULL, &error));
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  gst_defcn_folder_close (folder);
  g_free (path);
  folder_remove (away);
}

/* The oldest of ours go, with their records, wherever they are and whoever
 * wrote them; files of others stay, however old, and so does the last picture.
 */
static void
test_limits (void)
{
  char *path = folder_new ();
  g_autofree char *cam = folder_file (path, "cam");
  g_autofree char *deep = folder_file (path, "cam/deep");
  g_autofree char *fifo = folder_file (path, "fifo.jpg");
  g_autofree char *link = folder_file (path, "link.jpg"), *target = NULL;
  static const char record[] = GST_DEFCN_FOLDER_RECORD "1}\n";
  static const char *const ours[] = { "2.jpg", "cam/1.jpg", "3.jpg",
    "cam/4.jpg", "5.jpg" };
  GstDefcnFolder *folder = gst_defcn_folder_open (path, 1);
  GstDefcnFile last = { 0 };
  guint64 bytes = 0;

  g_assert_cmpint (mkdir (cam, 0700), ==, 0);
  g_assert_cmpint (mkdir (deep, 0700), ==, 0);
  write_aged (folder, path, "cam/deep/0.jpg", 0); /* too deep to be of it */
  for (guint i = 0; i < G_N_ELEMENTS (ours); i++)
    write_aged (folder, path, ours[i],
        (int) (strpbrk (ours[i], "12345")[0] - '0') * 10);
  g_free (folder_write (path, "2.json", record, strlen (record)));
  g_free (folder_write (path, "3.json", "{\"mine\":1}", 10));
  g_free (folder_write (path, "0.jpg", "\xff\xd8\xff\xe0 of others", 14));
  g_free (folder_write (path, "notes.txt", "x", 1));
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  target = folder_file (path, "cam/1.jpg");
  g_assert_cmpint (symlink (target, link), ==, 0);

  g_assert_cmpuint (gst_defcn_folder_limit (folder, 0, 0, NULL), ==, 0);
  g_assert_cmpuint (gst_defcn_folder_limit (folder, 5, 0, NULL), ==, 0);
  g_assert_cmpuint (gst_defcn_folder_limit (folder, 3, 0, NULL), ==, 2);
  g_assert_false (is_there (path, "cam/1.jpg"));
  g_assert_false (is_there (path, "2.jpg"));
  g_assert_false (is_there (path, "2.json"));
  g_assert_true (is_there (path, "3.jpg"));
  write_as (folder, &last, "6.jpg", GST_DEFCN_FOLDER_NEW, 8, FALSE);
  g_assert_cmpuint (gst_defcn_folder_limit (folder, 3, 0, &last), ==, 1);
  g_assert_false (is_there (path, "3.jpg"));
  g_assert_true (is_there (path, "3.json"));

  /* By bytes: of three of one size there is room for two. */
  bytes = last.size * 3 - 1;
  g_assert_cmpuint (gst_defcn_folder_limit (folder, 0, bytes, &last), ==, 1);
  g_assert_false (is_there (path, "cam/4.jpg"));
  g_assert_cmpuint (gst_defcn_folder_limit (folder, 0, 1, &last), ==, 1);
  g_assert_true (is_there (path, "6.jpg"));
  g_assert_true (is_there (path, "0.jpg"));
  g_assert_true (is_there (path, "notes.txt"));
  g_assert_true (is_there (path, "fifo.jpg"));
  g_assert_true (is_there (path, "link.jpg"));
  g_assert_true (is_there (path, "cam/deep/0.jpg"));

  gst_defcn_file_clear (&last);
  gst_defcn_folder_close (folder);
  folder_remove_all (path);
  g_free (path);
}

/* Two who have one folder open know of each other's; many pictures make room
 * for a sixteenth, so that it is not listed for each. */
static void
test_shared_limit (void)
{
  char *path = folder_new ();
  g_autofree char *other_name = g_strconcat (path, "/.", NULL);
  GstDefcnFolder *a = gst_defcn_folder_open (path, 0);
  GstDefcnFolder *b = gst_defcn_folder_open (other_name, 0);
  guint deleted = 0;

  g_assert_true (a == b);
  g_assert_cmpuint (gst_defcn_folder_limit (a, 32, 0, NULL), ==, 0);
  for (int i = 0; i < 33; i++) {
    g_autofree char *name = g_strdup_printf ("%02d.jpg", i);

    write_aged (i % 2 ? a : b, path, name, i);
    deleted = gst_defcn_folder_limit (b, 32, 0, NULL);
    g_assert_cmpuint (deleted, ==, i == 32 ? 3 : 0);
  }
  g_assert_cmpuint (folder_count (path), ==, 30);
  gst_defcn_folder_close (b);
  gst_defcn_folder_close (a);
  folder_remove (path);
}

/* What a power cut has left goes after an hour. */
static void
test_leftovers (void)
{
  char *path = folder_new ();
  g_autofree char *old = folder_write (path, ".defcnsnapshot-1.tmp", "x", 1);
  g_autofree char *fresh = folder_write (path, ".defcnsnapshot-2.tmp", "x", 1);
  const struct timespec times[2] = { { 1000, 0 }, { 1000, 0 } };
  GstDefcnFolder *folder = gst_defcn_folder_open (path, 0);

  g_assert_cmpint (utimensat (AT_FDCWD, old, times, 0), ==, 0);
  gst_defcn_folder_limit (folder, 1, 0, NULL);
  g_assert_false (is_there (path, ".defcnsnapshot-1.tmp"));
  g_assert_true (is_there (path, ".defcnsnapshot-2.tmp"));
  gst_defcn_folder_close (folder);
  folder_remove (path);
}

#define S GST_SECOND

/* When a picture begins, when a better one replaces it, and when none is due.
 */
static void
test_keeper (void)
{
  static const struct
  {
    gint64 id;
    GstDefcnKeeperEvent event;
    double score;
    guint64 now, interval;
    GstDefcnKeeperVerdict wanted;
  } cases[] = {
    { 1, GST_DEFCN_KEEPER_NO_EVENT, 0.9, 0, 10 * S, GST_DEFCN_KEEPER_NOTHING },
    { 1, GST_DEFCN_KEEPER_ONCE, 0.5, 1 * S, 10 * S, GST_DEFCN_KEEPER_BEGIN },
    { 1, GST_DEFCN_KEEPER_ONCE, 0.54, 2 * S, 10 * S, GST_DEFCN_KEEPER_NOTHING },
    { 1, GST_DEFCN_KEEPER_NO_EVENT, 0.56, 2 * S, 10 * S,
        GST_DEFCN_KEEPER_BETTER },
    { 1, GST_DEFCN_KEEPER_ALWAYS, 0.58, 3 * S, 10 * S,
        GST_DEFCN_KEEPER_NOTHING },
    { 2, GST_DEFCN_KEEPER_ALWAYS, 0.3, 3 * S, 10 * S, GST_DEFCN_KEEPER_BEGIN },
    { 1, GST_DEFCN_KEEPER_NO_EVENT, 0.9, 11 * S - 1, 10 * S,
        GST_DEFCN_KEEPER_BETTER },
    { 1, GST_DEFCN_KEEPER_NO_EVENT, 0.99, 11 * S, 10 * S,
        GST_DEFCN_KEEPER_NOTHING },
    { 1, GST_DEFCN_KEEPER_ONCE, 0.99, 12 * S, 10 * S,
        GST_DEFCN_KEEPER_NOTHING },
    { 1, GST_DEFCN_KEEPER_ALWAYS, 0.2, 12 * S, 10 * S, GST_DEFCN_KEEPER_BEGIN },
    { 1, GST_DEFCN_KEEPER_NO_EVENT, 0.3, 13 * S, 10 * S,
        GST_DEFCN_KEEPER_BETTER },
    /* after a seek backwards */
    { 1, GST_DEFCN_KEEPER_NO_EVENT, 0.9, 1 * S, 10 * S,
        GST_DEFCN_KEEPER_NOTHING },
    { 1, GST_DEFCN_KEEPER_ALWAYS, 0.1, 2 * S, 10 * S, GST_DEFCN_KEEPER_BEGIN },
    /* without an interval nothing is replaced, and each event makes one */
    { 3, GST_DEFCN_KEEPER_ONCE, 0.5, 20 * S, 0, GST_DEFCN_KEEPER_BEGIN },
    { 3, GST_DEFCN_KEEPER_NO_EVENT, 0.9, 20 * S, 0, GST_DEFCN_KEEPER_NOTHING },
    { 3, GST_DEFCN_KEEPER_ALWAYS, 0.9, 20 * S, 0, GST_DEFCN_KEEPER_BEGIN },
    { 5, GST_DEFCN_KEEPER_ONCE, 0.5, 20 * S, G_MAXUINT64,
        GST_DEFCN_KEEPER_BEGIN },
    { 5, GST_DEFCN_KEEPER_ALWAYS, 0.5, 10 * S, G_MAXUINT64,
        GST_DEFCN_KEEPER_BEGIN },
    { 4, GST_DEFCN_KEEPER_ONCE, 0.5, 20 * S, G_MAXUINT64,
        GST_DEFCN_KEEPER_BEGIN },
    { 4, GST_DEFCN_KEEPER_ALWAYS, 0.9, G_MAXUINT64 - 1, G_MAXUINT64,
        GST_DEFCN_KEEPER_BETTER },
  };
  GstDefcnKeeper *keeper = gst_defcn_keeper_new (g_free);

  g_assert_null (gst_defcn_keeper_slot (keeper, 1));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const gint64 id = cases[i].id;
    const GstDefcnKeeperVerdict found = gst_defcn_keeper_ask (keeper, id,
        cases[i].event, cases[i].score, cases[i].now, cases[i].interval);

    g_test_message ("case %u", i);
    g_assert_cmpint (found, ==, cases[i].wanted);
    if (found == GST_DEFCN_KEEPER_BEGIN)
      gst_defcn_keeper_begin (keeper, id, g_strdup ("slot"), cases[i].now);
    if (found != GST_DEFCN_KEEPER_NOTHING) {
      g_assert_cmpstr (gst_defcn_keeper_slot (keeper, id), ==, "slot");
      gst_defcn_keeper_taken (keeper, id, cases[i].score);
    }
  }
  gst_defcn_keeper_free (keeper);
}

/* A picture that did not come to be is made good at the next moment; and the
 * memory of tracks has an end, at which those go that were seen longest ago. */
static void
test_keeper_lost (void)
{
  GstDefcnKeeper *keeper = gst_defcn_keeper_new (g_free);

  gst_defcn_keeper_begin (keeper, 1, g_strdup ("a"), 0);
  g_assert_cmpint (gst_defcn_keeper_ask (keeper, 1, GST_DEFCN_KEEPER_NO_EVENT,
                       0.1, 1, S),
      ==, GST_DEFCN_KEEPER_BETTER);
  gst_defcn_keeper_taken (keeper, 1, 0.1);
  for (gint64 id = 2; id < 10000; id++)
    if (gst_defcn_keeper_ask (keeper, id, GST_DEFCN_KEEPER_ONCE, 0.5,
            (guint64) id, S)
        == GST_DEFCN_KEEPER_BEGIN)
      gst_defcn_keeper_begin (keeper, id, g_strdup ("b"), (guint64) id);
  g_assert_null (gst_defcn_keeper_slot (keeper, 1));
  g_assert_null (gst_defcn_keeper_slot (keeper, 5000));
  g_assert_nonnull (gst_defcn_keeper_slot (keeper, 9999));
  g_assert_nonnull (gst_defcn_keeper_slot (keeper, 9999 - 4000));
  gst_defcn_keeper_free (keeper);
}

int
main (int argc, char **argv)
{
  rig_init_bare (&argc, &argv);
  g_test_add_func ("/pictures/names", test_names);
  g_test_add_func ("/pictures/long-names", test_long_names);
  g_test_add_func ("/pictures/locations", test_locations);
  g_test_add_func ("/pictures/jpeg", test_jpeg);
  g_test_add_func ("/pictures/parts", test_parts);
  g_test_add_func ("/pictures/margins", test_margins);
  g_test_add_func ("/pictures/taken", test_taken);
  g_test_add_func ("/pictures/below", test_below);
  g_test_add_func ("/pictures/limits", test_limits);
  g_test_add_func ("/pictures/shared-limit", test_shared_limit);
  g_test_add_func ("/pictures/leftovers", test_leftovers);
  g_test_add_func ("/pictures/keeper", test_keeper);
  g_test_add_func ("/pictures/keeper-lost", test_keeper_lost);
  return rig_run ();
}
