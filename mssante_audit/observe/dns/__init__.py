"""Observing the DNS: questions asked politely, from the parent zone down."""
