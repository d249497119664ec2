"""Statistical disclosure control as arithmetic: relations among cells, an attacker, complementary suppression."""
