// nchan: nginx with one worker, and no code of ours.
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes it into a directory of its own; returns the file's path. */
export function nginxConfiguration({ port, directory, module }) {
  const file = join(directory, "nginx.conf");
  // A channel keeps as much as one of hexpush does. nginx would close a push connection after 1,000
  // requests; hexpush has no such limit.
  writeFileSync(
    file,
    `daemon off;
worker_processes 1;
pid nginx.pid;
load_module ${module};
events { worker_connections 65000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path temp-1;
  proxy_temp_path temp-2;
  fastcgi_temp_path temp-3;
  uwsgi_temp_path temp-4;
  scgi_temp_path temp-5;
  nchan_shared_memory_size 256M;
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location ~ ^/sub/(.+)$ {
      nchan_subscriber websocket;
      nchan_channel_id $1;
      nchan_subscriber_first_message newest;
    }
    location ~ ^/events/(.+)$ {
      nchan_subscriber eventsource;
      nchan_channel_id $1;
      nchan_subscriber_first_message newest;
    }
    location ~ ^/pub/(.+)$ {
      nchan_publisher http;
      nchan_channel_id $1;
      nchan_message_buffer_length 100;
      nchan_message_timeout 120s;
    }
  }
}
`,
  );
  return file;
}
