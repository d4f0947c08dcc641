-- The one place that says where the shop's data lives. On PostgreSQL only this changes:
--
--   postgres "shop" {
--     host = "127.0.0.1", dbname = "shop", user = "shop",
--     password = env "SHOP_PASSWORD",
--     policy = "database",
--   }

sqlite "shop" {
  file   = env("SHOP_FILE", "shop.db"),
  pool   = { max = 8 },
  policy = "database",
}
