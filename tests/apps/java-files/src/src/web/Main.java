package web;

class Main {
  static void main(String[] a) { HttpServer.create(new InetSocketAddress(8081), 0); }
}
