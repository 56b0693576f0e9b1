/* A camera to test against: serves a moving test picture as H.264 video on
 * rtsp://ADDRESS:PORT/camera for SECONDS, PORT printed on standard output.
 *   rtsp_server [SECONDS [PORT [ADDRESS]]]     (30, any, 127.0.0.1) */
#include <gst/rtsp-server/rtsp-server.h>

#include <stdlib.h>

static gboolean
on_timeout (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);

  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GstRTSPServer) server = gst_rtsp_server_new ();
  g_autoptr (GstRTSPMountPoints) mounts =
      gst_rtsp_server_get_mount_points (server);
  GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new ();

  gst_rtsp_server_set_address (server, argc > 3 ? argv[3] : "127.0.0.1");
  gst_rtsp_server_set_service (server, argc > 2 ? argv[2] : "0");
  gst_rtsp_media_factory_set_launch (factory,
      "( videotestsrc is-live=true pattern=ball ! "
      "video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! "
      "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! "
      "rtph264pay name=pay0 pt=96 config-interval=1 )");
  gst_rtsp_mount_points_add_factory (mounts, "/camera", factory);
  if (!gst_rtsp_server_attach (server, NULL))
    return 1;
  g_print ("%d\n", gst_rtsp_server_get_bound_port (server));
  g_timeout_add_seconds (argc > 1 ? atoi (argv[1]) : 30, on_timeout, loop);
  g_main_loop_run (loop);
  return 0;
}
