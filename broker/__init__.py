"""The local Apache Kafka, and what an administrator says to any Kafka: topics, users, ACLs, quotas."""
