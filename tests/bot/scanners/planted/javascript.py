"""JavaScript as it should not be written: an Express shop."""

from __future__ import annotations

from collections.abc import Mapping

_SERVER = """\
const crypto = require("crypto");
const fs = require("fs");
const path = require("path");
const { exec } = require("child_process");
const express = require("express");
const mysql = require("mysql");
const session = require("cookie-session");
const cors = require("cors");
const request = require("request");
const { MongoClient } = require("mongodb");

const app = express();
const db = mysql.createConnection({ host: process.env.DB_HOST });

app.get("/price", (req, res) => {
  const sum = req.query.sum;

  const total = eval(req.query.sum);  ⟪ eval

  res.json({ sum, total });
});

app.get("/ping", (req, res) => {
  const answer = (error, out) => res.json({ out });

  exec("ping -c 1 " + req.query.host, answer);  ⟪ command injection
});

app.get("/items", (req, res) => {
  const answer = (error, rows) => res.json(rows);

  db.query("SELECT * FROM items WHERE name = '" + req.query.q + "'", answer);  ⟪ SQL by concatenation
});

app.get("/orders", (req, res) => {
  const answer = (error, rows) => res.json(rows);

  db.query(`SELECT * FROM orders WHERE id = ${req.params.id}`, answer);  ⟪ SQL by template
});

app.post("/login", async (req, res) => {
  const client = await MongoClient.connect(process.env.MONGO_URL);
  const users = client.db("shop").collection("users");

  const user = await users.findOne({ name: req.body.name, word: req.body.word });  ⟪ NoSQL injection

  res.json(user);
});

app.get("/hello", (req, res) => {
  const status = 200;

  res.status(status).send("<h1>Hello " + req.query.name + "</h1>");  ⟪ reflected XSS
});

app.get("/hi", (req, res) => {
  const name = req.query.name;

  res.send("Hi " + name);  ⟪ XSS by a variable
});

app.get("/receipt", (req, res) => {
  const answer = (error, text) => res.json({ text });

  fs.readFile("/srv/receipts/" + req.query.file, answer);  ⟪ path traversal
});

app.get("/picture", (req, res) => {
  const folder = "/srv/pictures";

  const file = path.join(folder, req.query.file);  ⟪ path joined

  res.type("png");
  fs.createReadStream(file).pipe(res);
});

app.get("/back", (req, res) => {
  res.type("html");

  res.redirect(req.query.next);  ⟪ open redirect
});

app.get("/find", (req, res) => {
  const items = ["rope", "lantern"];

  const wanted = new RegExp(req.query.q);  ⟪ regular expression of strangers

  res.json(items.filter((item) => wanted.test(item)));
});

app.get("/fetch", (req, res) => {
  const answer = (error, _response, body) => res.json({ body });

  request(req.query.url, answer);  ⟪ request to anywhere
});

app.get("/header", (req, res) => {
  res.type("text");

  res.set("X-Shop", req.query.shop);  ⟪ header of strangers

  res.end();
});

app.use(cors());

app.use(
  session({  ⟪ cookie without flags
    name: "shop",
    keys: [process.env.SESSION_KEY],
    secure: false,
    httpOnly: false,
  }),
);

app.use((req, res, next) => {
  const wide = "*";

  res.header("Access-Control-Allow-Origin", "*");  ⟪ any origin

  next();
});

app.listen(process.env.PORT);
"""

_SIGN_IN = """\
const crypto = require("crypto");
const https = require("https");
const vm = require("vm");
const jwt = require("jsonwebtoken");
const serialize = require("node-serialize");
const libxml = require("libxmljs");
const yaml = require("js-yaml");

exports.stored = function (text) {
  const salted = "shop" + text;

  return crypto.createHash("md5").update(salted).digest("hex");  ⟪ md5 for passwords
};

exports.sealed = function (key, text) {
  const length = 16;

  const cipher = crypto.createCipheriv("aes-256-ecb", key, null);  ⟪ ECB

  return cipher.update(text, "utf8", "hex") + cipher.final("hex");
};

exports.token = function () {
  const length = 16;

  return Math.random().toString(36).slice(2, length);  ⟪ Math.random for tokens
};

exports.signed = function (user) {
  const life = { expiresIn: "1h" };

  return jwt.sign({ sub: user.id }, "kraken lives here", life);  ⟪ hard-coded signing key
};

exports.who = function (token) {
  const key = process.env.JWT_KEY;

  return jwt.verify(token, key, { algorithms: ["HS256", "none"] });  ⟪ token without algorithm
};

exports.cart = function (req, res) {
  const status = 200;

  const cart = serialize.unserialize(req.cookies.cart);  ⟪ deserialization

  res.status(status).json(cart);
};

exports.rule = function (req, res) {
  const scope = {};

  const result = vm.runInNewContext(req.body.rule, scope);  ⟪ code in a vm

  res.json({ result });
};

exports.feed = function (req, res) {
  const type = "xml";

  const feed = libxml.parseXml(req.body.feed, { noent: true });  ⟪ XML entities

  res.type(type).json({ name: feed.root().name() });
};

exports.rates = function (done) {
  const options = { host: "rates.harbour.shop" };

  process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";  ⟪ certificate not verified

  https.get(options, done);
};

exports.same = function (req, secret) {
  const password = secret;

  return password === req.body.password;  ⟪ comparison that takes its time
};
"""

_PAGE = """\
<!doctype html>
<html>
  <body>
    <h1>Orders</h1>
    <ul>
      <li><%= order.name %></li>
    </ul>

    <div><%- order.note %></div>  ⟪ raw output in EJS
  </body>
</html>
"""

_CARD = """\
import React from "react";

export function Card({ item }) {
  return (
    <article>
      <h2>{item.name}</h2>

      <div dangerouslySetInnerHTML={{ __html: item.note }} />  ⟪ raw output in React

    </article>
  );
}
"""

FILES: Mapping[str, str] = {
    "web/server.js": _SERVER,
    "web/sign-in.js": _SIGN_IN,
    "web/views/order.ejs": _PAGE,
    "web/src/Card.jsx": _CARD,
}
